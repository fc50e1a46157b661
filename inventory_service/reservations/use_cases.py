"""Answers the requests of the order service, and ends reservations that have expired."""

from collections.abc import Sequence
from uuid import UUID

from contracts.events.inventory_deduction import (
    FulfilmentRequested,
    InventoryRequest,
    ReleaseRequested,
    ReservationRequested,
)
from inventory_service.reservations import queries
from inventory_service.reservations.batch import ReservationBatch, ReservationState
from inventory_service.reservations.models import ReservationStatus as Status
from inventory_service.shipments import queries as shipments
from inventory_service.stock import queries as stock
from service_kit.clock import utcnow
from service_kit.database import Transaction
from service_kit.runtime import Runtime

AT_ONCE = 200


async def answer(tx: Transaction, requests: Sequence[InventoryRequest], traceparents: Sequence[str | None]) -> None:
    """Decides all requests in the order of arrival, on stock that is locked once for all of them.

    All transactions take locks in one order: reservations by order_id, then stock rows by (product_id, warehouse_id).
    """
    held = await queries.lock(tx, {request.order_id for request in requests})
    asked = {request.order_id for request in requests if not isinstance(request, ReservationRequested)}
    await queries.read_shares(tx, {order_id: held[order_id] for order_id in asked & held.keys()})
    released = {request.order_id for request in requests if isinstance(request, ReleaseRequested)} & held.keys()
    if released:
        for order_id, count in await shipments.PARCELS_LEFT.fetch(tx, order_ids=released):
            held[order_id].parcels_left = count
    batch = ReservationBatch(held, await stock.lock_products(tx, _products_of(requests, held)), utcnow())
    traces: list[str | None] = []
    for request, traceparent in zip(requests, traceparents, strict=True):
        batch.decide(request)
        traces += [traceparent] * (len(batch.events) - len(traces))
    await _store(tx, batch, traces)


async def expire(runtime: Runtime) -> None:
    """Releases reservations that have expired without a payment."""
    while True:
        async with runtime.database.transaction() as tx:
            held = await queries.lock_ended(tx, AT_ONCE)
            await queries.read_shares(tx, held)
            products = {share.product_id for each in held.values() for share in each.shares}
            batch = ReservationBatch(held, await stock.lock_products(tx, products), utcnow())
            for each in held.values():
                batch.expire(each)
            await _store(tx, batch, [None] * len(batch.events))
        if len(held) < AT_ONCE:
            return


def _products_of(requests: Sequence[InventoryRequest], held: dict[UUID, ReservationState]) -> set[UUID]:
    """The products whose stock a decision may read or change. Only these are locked, so that other transactions wait
    for no more than necessary."""
    products: set[UUID] = set()
    for request in requests:
        known = held.get(request.order_id)
        match request:
            case ReservationRequested() if known is None:
                products.update(line.product_id for line in request.lines)
            case FulfilmentRequested() if known is None or known.status is Status.EXPIRED:
                products.update(line.product_id for line in request.lines)
            case ReleaseRequested() if known is not None:
                products.update(share.product_id for share in known.shares)
    return products


async def _store(tx: Transaction, batch: ReservationBatch, traceparents: Sequence[str | None]) -> None:
    await queries.drop_shares(tx, batch.held.values())
    await queries.store(tx, batch, traceparents)
    # Last, because the same batch may have created the shipments that it cancels.
    if cancelled := [held.order_id for held in batch.held.values() if held.shipments_cancelled]:
        await shipments.CANCEL.execute(tx, order_ids=cancelled)
