"""Goods come back: expected when order says so, received once, and put into stock or thrown away."""

from collections.abc import Mapping, Sequence
from datetime import date
from uuid import UUID

from contracts.events.inventory_deduction import ReturnExpected
from contracts.events.shipment_notification import ReceivedLine, ReturnClosed, ReturnReceived
from inventory_service.returns import queries
from inventory_service.returns.models import ReceivedQuantity, Return
from inventory_service.settings import Settings
from inventory_service.stock import batch_queries
from inventory_service.stock import queries as stock
from inventory_service.stock.batch_queries import Dated
from service_kit.clock import utcnow
from service_kit.database import Session, Transaction
from service_kit.messaging import outbox
from service_kit.problems import not_found
from service_kit.runtime import Runtime

AT_ONCE = 200


async def expect(tx: Transaction, events: Sequence[ReturnExpected]) -> None:
    """Keeps what may come back; what was told before changes nothing."""
    await queries.expect(tx, [_expected(event) for event in events])


async def receive(
    tx: Transaction,
    return_id: UUID,
    warehouse_id: UUID,
    received_quantities: Mapping[UUID, ReceivedQuantity],
    dates: Mapping[UUID, date],
    received_by: UUID,
) -> Return:
    """What is as good as new is stock again, until the date that it has.

    Raises: NotFound, NothingCame, ReturnReceivedOtherwise, ReturnEnded, MoreThanExpected.
    """
    found = await queries.lock(tx, return_id) or not_found(Return, return_id)
    if not await stock.is_warehouse(tx, warehouse_id):
        not_found("warehouse", warehouse_id)
    if not found.receive(warehouse_id, received_quantities, received_by, utcnow()):
        return found
    await queries.store_received(tx, found)
    restocked = {
        product_id: each.restocked for product_id, each in found.received_quantities().items() if each.restocked
    }
    if restocked:
        await stock.receive(tx, warehouse_id, restocked)
        dated = {Dated(id, dates[id], ""): pieces for id, pieces in restocked.items() if id in dates}
        await batch_queries.add(tx, warehouse_id, dated, utcnow().date())
        await stock.add_return_movements(tx, found.id, found.order_id, warehouse_id, restocked, received_by)
    await outbox.add(tx, _received(found, warehouse_id))
    return found


async def close(tx: Transaction, return_id: UUID, closed_by: UUID) -> Return:
    """It never came: nobody awaits it any more, and nothing is refunded. Raises: NotFound, ReturnEnded."""
    found = await queries.lock(tx, return_id) or not_found(Return, return_id)
    if found.close(closed_by, utcnow()):
        await queries.store_closed(tx, found)
        await outbox.add(tx, _closed(found))
    return found


async def close_overdue(runtime: Runtime) -> None:
    """What has not come back within the time that it may take."""
    assert isinstance(runtime.settings, Settings)
    expected_before = utcnow() - runtime.settings.returns_arrive_within
    found = AT_ONCE
    while found == AT_ONCE:
        async with runtime.database.transaction() as tx:
            closed = await queries.close_overdue(tx, expected_before, AT_ONCE)
            await outbox.add(tx, *(_closed(Return(**row, lines=[])) for row in closed))
        found = len(closed)


async def read(tx: Session, return_id: UUID) -> Return:
    return await queries.by_id(tx, return_id) or not_found(Return, return_id)


def _expected(event: ReturnExpected) -> Return:
    return Return(
        id=event.return_id,
        order_id=event.order_id,
        customer_id=event.customer_id,
        number=event.number,
        lines=[line.model_dump(mode="json") for line in event.lines],
    )


def _closed(found: Return) -> ReturnClosed:
    return ReturnClosed(
        return_id=found.id,
        order_id=found.order_id,
        customer_id=found.customer_id,
        number=found.number,
        version=found.version,
    )


def _received(found: Return, warehouse_id: UUID) -> ReturnReceived:
    return ReturnReceived(
        return_id=found.id,
        order_id=found.order_id,
        customer_id=found.customer_id,
        number=found.number,
        warehouse_id=warehouse_id,
        lines=[ReceivedLine.model_validate(line) for line in found.lines],
        version=found.version,
    )
