"""What staff note about an order. The order itself, its version and its events stay as they are."""

from collections.abc import Iterable
from uuid import UUID

from order_service.annotations import queries
from order_service.annotations.models import OrderNote, OrderTags
from order_service.orders import queries as orders
from service_kit.concurrency import Expected, change
from service_kit.database import Session


async def tags_of(tx: Session, order_id: UUID) -> OrderTags:
    """Raises: NotFound."""
    await orders.find(tx, order_id, None)
    return await queries.tags(tx, order_id)


async def set_tags(tx: Session, order_id: UUID, tags: Iterable[str], expected: Expected) -> OrderTags:
    """Replaces all tags of the order. Raises: NotFound, PreconditionFailed."""
    await orders.find(tx, order_id, None)
    wanted = sorted(set(tags))
    found = await queries.lock_tags(tx, order_id)
    if found is None:
        expected.check(0)
        if await queries.insert_tags(tx, order_id, wanted):
            return await queries.tags(tx, order_id)
        found = await queries.lock_tags(tx, order_id)
        assert found is not None, "committed by the transaction that the insert waited for"
    expected.check(found.version)
    change(found, {"tags": wanted})
    return found


async def add_note(tx: Session, order_id: UUID, text: str, author_id: UUID) -> OrderNote:
    """Raises: NotFound."""
    await orders.find(tx, order_id, None)
    note = OrderNote(order_id=order_id, author_id=author_id, text=text)
    tx.add(note)
    return note
