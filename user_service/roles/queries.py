"""Every statement about roles."""

from collections.abc import Iterable

from sqlalchemy import func
from sqlmodel import col, select

from service_kit.database import Session, Statement
from user_service.roles.models import OwnRole

LOCK_ALL = Statement("SELECT pg_advisory_xact_lock(hashtext('own_roles'))")


async def listed(tx: Session) -> list[OwnRole]:
    """All own roles; there are at most `MAX_ROLES`."""
    return list((await tx.exec(select(OwnRole).order_by(OwnRole.name))).all())


async def count(tx: Session) -> int:
    """How many own roles there are. It takes a lock, so that parallel requests can't exceed the limit together."""
    await LOCK_ALL.fetch(tx)
    return (await tx.exec(select(func.count()).select_from(OwnRole))).one()


async def named(tx: Session, names: Iterable[str], *, locked: bool = False) -> list[OwnRole]:
    """`locked`: takes shared locks, so that the roles are not changed or deleted before the transaction ends."""
    statement = select(OwnRole).where(col(OwnRole.name).in_(list(names))).order_by(OwnRole.name)
    return list((await tx.exec(statement.with_for_update(read=True) if locked else statement)).all())


async def lock(tx: Session, name: str) -> OwnRole | None:
    return (await tx.exec(select(OwnRole).where(OwnRole.name == name).with_for_update())).first()
