"""Every statement about roles."""

from collections.abc import Iterable

from sqlalchemy import func
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from service_kit.database import Session, Statement
from user_service.roles.models import OwnRole

ONE_AT_A_TIME = Statement("SELECT pg_advisory_xact_lock(hashtext('own_roles'))")


async def listed(tx: Session) -> list[OwnRole]:
    """All of them: there are as many as a shop has kinds of work."""
    return list((await tx.exec(select(OwnRole).order_by(OwnRole.name))).all())


async def count(tx: Session) -> int:
    """How many there are; until the transaction ends nobody else counts, so that two can't both make the last one."""
    await ONE_AT_A_TIME.fetch(tx)
    return (await tx.exec(select(func.count()).select_from(OwnRole))).one()


async def insert(tx: Session, role: OwnRole) -> bool:
    """False where there is one of this name already."""
    tx.add(role)
    try:
        await tx.flush()
    except IntegrityError:
        return False
    return True


async def named(tx: Session, names: Iterable[str], *, locked: bool = False) -> list[OwnRole]:
    """`locked`: until the transaction ends they can neither change nor go."""
    statement = select(OwnRole).where(col(OwnRole.name).in_(list(names))).order_by(OwnRole.name)
    return list((await tx.exec(statement.with_for_update(read=True) if locked else statement)).all())


async def lock(tx: Session, name: str) -> OwnRole | None:
    return (await tx.exec(select(OwnRole).where(OwnRole.name == name).with_for_update())).first()
