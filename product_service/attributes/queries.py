"""Every statement about the registry of attributes; the domain `search` counts their values."""

from collections.abc import Iterable
from uuid import UUID

from sqlmodel import col, select

from product_service.attributes.models import Attribute, Kind
from service_kit.database import Session, Statement, Transaction
from service_kit.database.keyset import Position, Slice, keyset

# Otherwise two transactions that each count `MAX_ATTRIBUTES - 1` could both add one. The number is arbitrary.
LOCK_ALL = Statement("SELECT pg_advisory_xact_lock(0x61747472)")
COUNT = Statement("SELECT count(*) FROM attributes")
KINDS = Statement("SELECT name, kind FROM attributes WHERE name = ANY (:names::text[])")


async def page(tx: Session, position: Position) -> Slice[Attribute]:
    return await keyset(tx, select(Attribute), position, Attribute.position, Attribute.id)


async def find(tx: Session, attribute_id: UUID) -> Attribute | None:
    return await tx.get(Attribute, attribute_id)


async def lock(tx: Session, attribute_id: UUID) -> Attribute | None:
    return await tx.get(Attribute, attribute_id, with_for_update=True, populate_existing=True)


async def count(tx: Session) -> int:
    """Locks the registry against other additions until the transaction ends."""
    await LOCK_ALL.fetch(tx)
    found: int = await COUNT.fetchval(tx)
    return found


async def has_name(tx: Session, name: str) -> bool:
    return (await tx.exec(select(Attribute.id).where(col(Attribute.name) == name))).first() is not None


async def kinds(tx: Transaction, names: Iterable[str]) -> dict[str, Kind]:
    """The kind of each of these attributes that is registered."""
    return {row["name"]: Kind(row["kind"]) for row in await KINDS.fetch(tx, names=list(names))}
