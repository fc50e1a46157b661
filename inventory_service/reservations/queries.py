"""Every statement about reservations. All hot, but the two that staff read with: locks are taken in ascending order."""

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from contracts.events.inventory_deduction import LackingProduct
from inventory_service.reservations.allocation import Share
from inventory_service.reservations.batch import ReservationBatch, ReservationState
from inventory_service.reservations.models import Reservation, ReservationLine, ReservationStatus
from inventory_service.shipments import queries as shipments
from inventory_service.stock.models import STOCK_CHANGED
from service_kit.database import Session, Transaction
from service_kit.database.keyset import Position, Slice, keyset
from service_kit.database.signals import signal
from service_kit.messaging import outbox

LOCK = """
SELECT order_id, status, version, reserved_until, lacking FROM reservations
WHERE order_id = ANY($1::uuid[]) ORDER BY order_id FOR UPDATE
"""
# What another holds at this moment is being released or paid for: the next round looks again.
LOCK_ENDED = """
SELECT order_id, status, version, reserved_until, lacking FROM reservations
WHERE status = 'reserved' AND reserved_until < now()
ORDER BY order_id LIMIT $1 FOR UPDATE SKIP LOCKED
"""
SHARES = """
SELECT order_id, position, product_id, warehouse_id, quantity FROM reservation_lines
WHERE order_id = ANY($1::uuid[]) ORDER BY order_id, position, warehouse_id
"""
# New reservations without ON CONFLICT: should two handle a new order at once, the second fails, is tried again,
# and finds it.
STORE = f"""
WITH added AS (
    INSERT INTO reservations (order_id, status, version, reserved_until, lacking, created_at)
    SELECT *, now() FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::timestamptz[], $5::jsonb[])
), changed AS (
    UPDATE reservations SET status = new.status, version = new.version, reserved_until = new.reserved_until,
                            lacking = new.lacking
    FROM unnest($6::uuid[], $7::text[], $8::bigint[], $9::timestamptz[], $10::jsonb[])
         AS new (order_id, status, version, reserved_until, lacking)
    WHERE reservations.order_id = new.order_id
), held AS (
    INSERT INTO reservation_lines (order_id, position, product_id, warehouse_id, quantity)
    SELECT * FROM unnest($11::uuid[], $12::int[], $13::uuid[], $14::uuid[], $15::bigint[])
), stocked AS (
    UPDATE stock SET reserved = reserved + change.quantity, version = version + 1, to_publish = true
    FROM unnest($16::uuid[], $17::uuid[], $18::bigint[]) AS change (product_id, warehouse_id, quantity)
    WHERE (stock.product_id, stock.warehouse_id) = (change.product_id, change.warehouse_id)
), to_ship AS (
    INSERT INTO shipments (id, order_id, customer_id, number, warehouse_id, shipments_of_order, lines, ship_to,
                           status, version, created_at)
    SELECT *, 'created', 1, now()
    FROM unnest($19::uuid[], $20::uuid[], $21::uuid[], $22::text[], $23::uuid[], $24::int[], $25::jsonb[], $26::jsonb[])
)
INSERT INTO outbox ({outbox.INSERT_COLUMNS}) SELECT * FROM {outbox.unnest(27)}
"""
DROP_SHARES = "DELETE FROM reservation_lines WHERE order_id = ANY($1::uuid[])"


async def lock(tx: Transaction, order_ids: Collection[UUID]) -> dict[UUID, ReservationState]:
    """The reservations that there are of these orders, held until the transaction ends."""
    return {row["order_id"]: _held(row) for row in await tx.fetch(LOCK, list(order_ids))}


async def lock_ended(tx: Transaction, limit: int) -> dict[UUID, ReservationState]:
    """Reservations whose end has passed."""
    return {row["order_id"]: _held(row) for row in await tx.fetch(LOCK_ENDED, limit)}


async def read_shares(tx: Transaction, held: dict[UUID, ReservationState]) -> None:
    """Fills in what these reservations hold; they are locked."""
    if held:
        for order_id, *share in await tx.fetch(SHARES, list(held)):
            held[order_id].shares.append(Share(*share))


async def store(tx: Transaction, batch: ReservationBatch, traceparents: Sequence[str | None]) -> None:
    """What was decided: reservations and what they hold, stock, shipments, and what is new_events of it.

    Hot: one statement, however many orders and lines (`benchmarks/`: reserve). Stock rows are locked before, so none is
    waited for here; reserving more than there is fails on a check constraint, and then nothing is stored.
    """
    changed = [each for each in batch.held.values() if each.changed]
    if not changed:
        return
    new, known = [each for each in changed if not each.stored], [each for each in changed if each.stored]
    shares = ((each.order_id, *share) for each in changed if each.shares_changed for share in each.shares)
    await tx.execute(
        STORE, *_columns(new), *_columns(known), *_transposed(shares, 5), *_transposed(batch.stock_changes(), 3),
        *shipments.columns(batch.new_shipments), *outbox.columns(batch.events, traceparents),
    )  # fmt: skip
    tx.added_events = True
    signal(tx, STOCK_CHANGED)


async def drop_shares(tx: Transaction, held: Iterable[ReservationState]) -> None:
    """Of known reservations that hold nothing any more."""
    if dropped := [each.order_id for each in held if each.stored and each.shares_changed and not each.shares]:
        await tx.execute(DROP_SHARES, dropped)


async def by_order(tx: Session, order_id: UUID) -> Reservation | None:
    return await tx.get(Reservation, order_id)


async def lines_of(tx: Session, order_id: UUID) -> Sequence[ReservationLine]:
    statement = select(ReservationLine).where(ReservationLine.order_id == order_id)
    order = (col(ReservationLine.position), col(ReservationLine.warehouse_id))
    return (await tx.exec(statement.order_by(*order))).all()


async def search(tx: Session, position: Position, *, status: ReservationStatus | None) -> Slice[Reservation]:
    statement = select(Reservation)
    if status is not None:
        statement = statement.where(Reservation.status == status)
    return await keyset(tx, statement, position, Reservation.order_id)


def _held(row: Any) -> ReservationState:
    return ReservationState(
        order_id=row["order_id"],
        status=ReservationStatus(row["status"]),
        version=row["version"],
        reserved_until=row["reserved_until"],
        lacking=[LackingProduct(**shortage) for shortage in json.loads(row["lacking"])],
        stored=True,
    )


def _columns(held: Sequence[ReservationState]) -> list[list[Any]]:
    return [
        [each.order_id for each in held],
        [each.status for each in held],
        [each.version for each in held],
        [each.reserved_until for each in held],
        [json.dumps([shortage.model_dump(mode="json") for shortage in each.lacking]) for each in held],
    ]


def _transposed(rows: Iterable[tuple[Any, ...]], width: int) -> list[Sequence[Any]]:
    return list(zip(*rows, strict=True)) or [()] * width
