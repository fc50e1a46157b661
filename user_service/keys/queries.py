"""Every statement about signing keys."""

from collections.abc import Collection

from sqlalchemy import delete
from sqlmodel import col, select

from service_kit.database import Session, Statement
from user_service.keys.models import SigningKey

LOCK_KEYS = Statement("SELECT pg_advisory_xact_lock(hashtext('signing_keys'))")


async def in_order(tx: Session) -> list[SigningKey]:
    """In the order in which they sign."""
    return list((await tx.exec(select(SigningKey).order_by(col(SigningKey.signs_from), col(SigningKey.id)))).all())


async def lock_keys(tx: Session) -> None:
    """Takes an advisory lock until the transaction ends, so that no other transaction creates or removes keys."""
    await LOCK_KEYS.fetch(tx)


async def remove_all_but(tx: Session, ids: Collection[str]) -> None:
    await tx.exec(delete(SigningKey).where(col(SigningKey.id).not_in(ids)))
