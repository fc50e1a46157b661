"""Every statement about reservations. All are hot, except that of `lines_of`. Locks are taken in ascending order."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from contracts.events.inventory_deduction import LackingProduct
from inventory_service.reservations.allocation import Share
from inventory_service.reservations.batch import ReservationBatch, ReservationState, StockChange
from inventory_service.reservations.models import Reservation, ReservationLine, ReservationStatus
from inventory_service.stock.models import STOCK_CHANGED
from service_kit.database import Session, Statement, Transaction, rows
from service_kit.database.signals import signal
from service_kit.messaging import outbox

STATE = ("order_id", "status", "version", "reserved_until", "lacking")
_READ_STATE = f"SELECT {', '.join(STATE)} FROM reservations"
LOCK = Statement(f"{_READ_STATE} WHERE order_id = ANY(:order_ids::uuid[]) ORDER BY order_id FOR UPDATE")
# A row that another transaction has locked is being released or fulfilled: the next run checks it again.
LOCK_ENDED = Statement(f"""
{_READ_STATE} WHERE status = 'reserved' AND reserved_until < now()
ORDER BY order_id LIMIT :limit FOR UPDATE SKIP LOCKED
""")
SHARES = Statement("""
SELECT order_id, position, product_id, warehouse_id, quantity FROM reservation_lines
WHERE order_id = ANY(:order_ids::uuid[]) ORDER BY order_id, position, warehouse_id
""")
# New reservations are inserted without ON CONFLICT: if two transactions handle a new order at once, the second fails;
# its retry finds the reservation.
STORE = Statement(f"""
WITH added AS (
    INSERT INTO reservations ({", ".join(STATE)}, created_at)
    SELECT new.*, now() FROM {rows("new", Reservation, *STATE)}
), changed AS (
    UPDATE reservations SET status = known.status, version = known.version, reserved_until = known.reserved_until,
                            lacking = known.lacking
    FROM {rows("known", Reservation, *STATE)} WHERE reservations.order_id = known.order_id
), held AS (
    INSERT INTO reservation_lines (order_id, position, product_id, warehouse_id, quantity)
    SELECT * FROM unnest(:holders::uuid[], :shares[].position::int[], :shares[].product_id::uuid[],
                         :shares[].warehouse_id::uuid[], :shares[].quantity::bigint[])
), stocked AS (
    UPDATE stock SET reserved = stock.reserved + change.reserved, version = version + 1, to_publish = true
    FROM {rows("change", StockChange)}
    WHERE (stock.product_id, stock.warehouse_id) = (change.product_id, change.warehouse_id)
), to_ship AS (
    INSERT INTO shipments (id, order_id, customer_id, number, warehouse_id, shipments_of_order, lines, ship_to,
                           shipping, status, version, created_at)
    SELECT made.*, 'created', 1, now()
    FROM unnest(:made[].created.shipment_id::uuid[], :made[].created.order_id::uuid[],
                :made[].created.customer_id::uuid[], :made[].created.number::text[],
                :made[].created.warehouse_id::uuid[], :made[].created.shipments_of_order::int[],
                :made[].created.lines::jsonb[], :made[].ship_to::jsonb[],
                :made[].shipping::jsonb[]) AS made
)
{outbox.INSERT}
""")
DROP_SHARES = Statement("DELETE FROM reservation_lines WHERE order_id = ANY(:order_ids::uuid[])")


async def lock(tx: Transaction, order_ids: Collection[UUID]) -> dict[UUID, ReservationState]:
    """The existing reservations of these orders, locked until the transaction ends."""
    return {each.order_id: each for each in await LOCK.fetch_as(tx, _state, order_ids=list(order_ids))}


async def lock_ended(tx: Transaction, limit: int) -> dict[UUID, ReservationState]:
    """Reservations that have expired, locked until the transaction ends."""
    return {each.order_id: each for each in await LOCK_ENDED.fetch_as(tx, _state, limit=limit)}


async def read_shares(tx: Transaction, held: dict[UUID, ReservationState]) -> None:
    """Reads the reserved pieces into `held`, whose reservations are locked."""
    if held:
        for order_id, *share in await SHARES.fetch(tx, order_ids=list(held)):
            held[order_id].shares.append(Share(*share))


async def store(tx: Transaction, batch: ReservationBatch, traceparents: Sequence[str | None]) -> None:
    """Stores the decisions of a batch: reservations with their reserved pieces, stock, shipments and events.

    Hot: one statement for any number of orders and lines (`benchmarks/`: reserve). The stock rows are locked before, so
    it does not wait for locks. Reserving more than is in stock violates a check constraint, and then nothing is stored.
    """
    changed = [each for each in batch.held.values() if each.changed]
    if not changed:
        return
    held = [(each.order_id, share) for each in changed if each.shares_changed for share in each.shares]
    await STORE.execute(
        tx,
        new=[each for each in changed if not each.stored],
        known=[each for each in changed if each.stored],
        holders=[order_id for order_id, _ in held],
        shares=[share for _, share in held],
        change=batch.stock_changes(),
        made=batch.new_shipments,
        events=outbox.rows(batch.events, traceparents),
    )
    tx.added_events = True
    signal(tx, STOCK_CHANGED)


async def drop_shares(tx: Transaction, held: Iterable[ReservationState]) -> None:
    """Deletes the lines of stored reservations that have released all their pieces."""
    if dropped := [each.order_id for each in held if each.stored and each.shares_changed and not each.shares]:
        await DROP_SHARES.execute(tx, order_ids=dropped)


async def lines_of(tx: Session, order_id: UUID) -> Sequence[ReservationLine]:
    statement = select(ReservationLine).where(ReservationLine.order_id == order_id)
    order = (col(ReservationLine.position), col(ReservationLine.warehouse_id))
    return (await tx.exec(statement.order_by(*order))).all()


def _state(status: str, lacking: list[Any], **row: Any) -> ReservationState:
    missing = [LackingProduct(**each) for each in lacking]
    return ReservationState(status=ReservationStatus(status), lacking=missing, stored=True, **row)
