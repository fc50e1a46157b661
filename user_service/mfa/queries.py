"""Every statement about second factors."""

from uuid import UUID

from sqlalchemy import delete, func
from sqlmodel import col, select

from service_kit.database import Session, Statement
from user_service.mfa.models import RecoveryCode, SecondFactor

_ENSURE = Statement("""
INSERT INTO second_factors (account_id, last_step, failures)
SELECT id, 0, 0 FROM accounts WHERE id = :account_id ON CONFLICT DO NOTHING
""")


async def by_account(tx: Session, account_id: UUID) -> SecondFactor | None:
    return await tx.get(SecondFactor, account_id)


async def is_on(tx: Session, account_id: UUID) -> bool:
    factor = await by_account(tx, account_id)
    return factor is not None and factor.on


async def lock(tx: Session, account_id: UUID) -> SecondFactor | None:
    """Locks the account's factor, so that a code is used only once; creates it if needed. None: no such account."""
    await _ENSURE.execute(tx, account_id=account_id)
    return (await tx.exec(select(SecondFactor).where(SecondFactor.account_id == account_id).with_for_update())).first()


async def use_recovery_code(tx: Session, code_hash: bytes) -> bool:
    """Deletes the recovery code. Returns False if there is none with this hash."""
    statement = delete(RecoveryCode).where(col(RecoveryCode.code_hash) == code_hash)
    return bool((await tx.exec(statement.returning(col(RecoveryCode.account_id)))).all())


async def delete_recovery_codes(tx: Session, account_id: UUID) -> None:
    await tx.exec(delete(RecoveryCode).where(col(RecoveryCode.account_id) == account_id))


async def count_recovery_codes(tx: Session, account_id: UUID) -> int:
    statement = select(func.count()).select_from(RecoveryCode).where(col(RecoveryCode.account_id) == account_id)
    return (await tx.exec(statement)).one()


async def encrypted(tx: Session) -> list[SecondFactor]:
    """Locks and returns the factors that have a TOTP secret, to re-encrypt it."""
    statement = select(SecondFactor).where(col(SecondFactor.encrypted_secret).is_not(None))
    return list((await tx.exec(statement.order_by(col(SecondFactor.account_id)).with_for_update())).all())
