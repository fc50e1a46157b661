"""Goods that customers send back: expected after an event, received once, and put into stock or scrapped."""

from collections.abc import Mapping, Sequence
from datetime import date
from uuid import UUID

from contracts.events.inventory_deduction import ReturnExpected
from contracts.events.shipment_notification import ReturnClosed, ReturnReceived
from inventory_service.returns import queries
from inventory_service.returns.models import ReceivedQuantity, Return
from inventory_service.settings import Settings
from inventory_service.stock import queries as stock
from inventory_service.stock.batch_queries import Pieces
from inventory_service.stock.models import MovementKind, StockMovement
from service_kit.clock import utcnow
from service_kit.database import Transaction
from service_kit.messaging import outbox
from service_kit.problems import not_found
from service_kit.runtime import Runtime

AT_ONCE = 200


async def expect(tx: Transaction, events: Sequence[ReturnExpected]) -> None:
    """Stores returns that are expected. A known return is not changed."""
    shared = {"order_id", "customer_id", "number", "lines"}
    returns = [Return(id=event.return_id, **event.model_dump(include=shared)) for event in events]
    await queries.EXPECT.execute(tx, returns=returns)


async def receive(
    tx: Transaction,
    return_id: UUID,
    warehouse_id: UUID,
    received_quantities: Mapping[UUID, ReceivedQuantity],
    dates: Mapping[UUID, date],
    received_by: UUID,
) -> Return:
    """Books the goods that arrived. Pieces that can be sold again are added to the stock; `dates`: when they expire.

    Raises: NotFound, NothingCame, ReturnReceivedOtherwise, ReturnEnded, MoreThanExpected.
    """
    found = await _lock(tx, return_id)
    await stock.check_exists(tx, "warehouse", warehouse_id)
    if not found.receive(warehouse_id, received_quantities, received_by, utcnow()):
        return found
    await queries.STORE.execute(tx, it=found)
    quantities = found.received_quantities()
    if restocked := [Pieces(id, each.restocked, dates.get(id)) for id, each in quantities.items() if each.restocked]:
        shared = found.model_dump(include={"warehouse_id", "order_id"})
        movement = StockMovement(kind=MovementKind.RETURN, return_id=found.id, booked_by=received_by, **shared)
        await stock.receive(tx, restocked, movement)
    await outbox.add(tx, ReturnReceived(return_id=found.id, **found.model_dump()))
    return found


async def close(tx: Transaction, return_id: UUID, closed_by: UUID) -> Return:
    """Closes a return that did not arrive; nothing is refunded. Raises: NotFound, ReturnEnded."""
    found = await _lock(tx, return_id)
    if found.close(closed_by, utcnow()):
        await queries.STORE.execute(tx, it=found)
        await outbox.add(tx, ReturnClosed(return_id=found.id, **found.model_dump()))
    return found


async def close_overdue(runtime: Runtime) -> None:
    """Closes returns that have not arrived within `returns_arrive_within`."""
    expected_before = utcnow() - runtime.resource(Settings).returns_arrive_within
    found = AT_ONCE
    while found == AT_ONCE:
        async with runtime.database.transaction() as tx:
            closed = await queries.CLOSE_OVERDUE.fetch_as(
                tx, ReturnClosed, expected_before=expected_before, limit=AT_ONCE
            )
            await outbox.add(tx, *closed)
        found = len(closed)


async def _lock(tx: Transaction, return_id: UUID) -> Return:
    """The row is locked until the transaction ends, so that it is received or closed once. Raises: NotFound."""
    return await queries.LOCK.fetchrow_as(tx, Return, id=return_id) or not_found(Return, return_id)
