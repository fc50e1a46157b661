"""Every statement about shipments."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg
from pydantic import TypeAdapter
from sqlmodel import select

from contracts.events.base import Event
from contracts.quantity import LineQuantity
from inventory_service.shipments.models import NewShipment, Shipment, ShipmentStatus
from inventory_service.stock.models import STOCK_CHANGED
from service_kit.clock import utcnow
from service_kit.database import Connection, Session, Transaction
from service_kit.database.keyset import Position, Slice, keyset
from service_kit.database.signals import signal
from service_kit.database.summaries import without_lines
from service_kit.ids import uuid7
from service_kit.messaging import outbox

CANCEL = """
UPDATE shipments SET status = 'cancelled', version = version + 1 WHERE order_id = ANY($1::uuid[]) AND status = 'created'
"""
# The reservation's version is what a dispatch holds on to: one that was decided before this finds another.
MARK_REFUNDED = """
WITH reported AS (
    SELECT * FROM unnest($1::uuid[], $2::boolean[]) AS reported (order_id, refunded)
), held AS MATERIALIZED (
    SELECT order_id FROM reservations WHERE order_id = ANY($1::uuid[]) ORDER BY order_id FOR UPDATE
), changed AS (
    UPDATE reservations SET version = version + 1 FROM held WHERE reservations.order_id = held.order_id
)
UPDATE shipments SET refunded = reported.refunded, version = version + 1
FROM held JOIN reported USING (order_id) WHERE shipments.order_id = held.order_id AND shipments.status = 'created'
"""
PARCELS_LEFT = """
SELECT order_id, count(*) FROM shipments
WHERE order_id = ANY($1::uuid[]) AND status IN ('dispatched', 'delivered', 'lost') GROUP BY order_id
"""
READ = """
SELECT shipments.*, reservations.version AS reservation_version
FROM shipments JOIN reservations USING (order_id) WHERE shipments.id = ANY($1::uuid[])
"""
DISPATCH = f"""
WITH parcel AS (
    SELECT *
    FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::uuid[], $5::text[], $6::text[], $15::text[], $7::int[])
      AS parcel (id, order_id, reservation_version, warehouse_id, carrier, tracking_number, tracking_url, version)
), dispatching AS MATERIALIZED (
    SELECT parcel.* FROM parcel JOIN reservations USING (order_id)
    WHERE reservations.version = parcel.reservation_version ORDER BY order_id FOR UPDATE OF reservations
), used AS (
    UPDATE reservations SET version = reservations.version + 1, status = CASE WHEN EXISTS (
        SELECT FROM shipments AS other
        WHERE other.order_id = dispatching.order_id AND other.status = 'created' AND other.id <> dispatching.id
    ) THEN 'fulfilling' ELSE 'fulfilled' END
    FROM dispatching WHERE reservations.order_id = dispatching.order_id
), used_lines AS (
    DELETE FROM reservation_lines AS line USING dispatching
    WHERE (line.order_id, line.warehouse_id) = (dispatching.order_id, dispatching.warehouse_id)
), shipped AS (
    UPDATE shipments SET status = 'dispatched', carrier = dispatching.carrier, dispatched_at = $8,
                         tracking_number = dispatching.tracking_number, tracking_url = dispatching.tracking_url,
                         version = dispatching.version
    FROM dispatching WHERE shipments.id = dispatching.id
), line AS MATERIALIZED (
    SELECT line.*, dispatching.order_id, dispatching.warehouse_id
    FROM unnest($9::uuid[], $10::uuid[], $11::bigint[], $12::uuid[])
         AS line (shipment_id, product_id, quantity, movement_id)
    JOIN dispatching ON dispatching.id = line.shipment_id
), sum AS (
    SELECT product_id, warehouse_id, sum(quantity) AS quantity FROM line GROUP BY product_id, warehouse_id
), locked AS MATERIALIZED (
    SELECT product_id, warehouse_id, sum.quantity, stock.dated FROM sum JOIN stock USING (product_id, warehouse_id)
    ORDER BY product_id, warehouse_id FOR UPDATE OF stock
), batch AS MATERIALIZED (
    SELECT batch.*, locked.quantity AS wanted
    FROM locked JOIN stock_batches AS batch USING (product_id, warehouse_id)
    WHERE locked.dated > 0 AND batch.expires_on > $14 AND batch.quantity > 0 FOR UPDATE OF batch
), taken AS MATERIALIZED (
    SELECT product_id, warehouse_id, expires_on, batch, least(quantity, wanted - before) AS quantity
    FROM (SELECT *, coalesce(sum(quantity) OVER (
              PARTITION BY product_id, warehouse_id ORDER BY expires_on, batch
              ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
          ), 0)::bigint AS before FROM batch) AS in_order
    WHERE before < wanted
), emptied AS (
    UPDATE stock_batches AS batch SET quantity = batch.quantity - taken.quantity FROM taken
    WHERE (batch.product_id, batch.warehouse_id) = (taken.product_id, taken.warehouse_id)
      AND (batch.expires_on, batch.batch) = (taken.expires_on, taken.batch)
), deducted AS (
    UPDATE stock SET on_hand = on_hand - locked.quantity, reserved = reserved - locked.quantity,
                     version = version + 1, to_publish = true, dated = stock.dated - coalesce((
        SELECT sum(taken.quantity) FROM taken
        WHERE (taken.product_id, taken.warehouse_id) = (locked.product_id, locked.warehouse_id)
    ), 0)
    FROM locked WHERE (stock.product_id, stock.warehouse_id) = (locked.product_id, locked.warehouse_id)
), moved AS (
    INSERT INTO stock_movements
        (id, product_id, warehouse_id, kind, quantity, shipment_id, order_id, booked_by, created_at)
    SELECT movement_id, product_id, warehouse_id, 'dispatch', -quantity, shipment_id, order_id, $13, $8 FROM line
), new_events AS (
    INSERT INTO outbox ({outbox.INSERT_COLUMNS})
    SELECT new_events.* FROM {outbox.unnest(16)} AS new_events ({outbox.INSERT_COLUMNS})
    JOIN dispatching ON new_events.key = convert_to(dispatching.order_id::text, 'UTF8')
)
SELECT id FROM dispatching
"""
DELIVER = f"""
WITH delivered AS (
    UPDATE shipments SET status = 'delivered', delivered_at = $2, version = $3
    WHERE id = $1 AND status = 'dispatched' AND version = $3 - 1 RETURNING id
), new_events AS (
    INSERT INTO outbox ({outbox.INSERT_COLUMNS}) SELECT new_events.* FROM delivered, {outbox.unnest(4)} AS new_events
)
SELECT EXISTS (SELECT FROM delivered)
"""
CHANGE = f"""
WITH changed AS (
    UPDATE shipments SET status = $3, carrier = $4, tracking_number = $5, tracking_url = $6, corrections = $7::jsonb,
                         lost_at = $8, version = $2
    WHERE id = $1 AND version = $2 - 1 RETURNING id
), new_events AS (
    INSERT INTO outbox ({outbox.INSERT_COLUMNS}) SELECT new_events.* FROM changed, {outbox.unnest(9)} AS new_events
)
SELECT EXISTS (SELECT FROM changed)
"""

DATED_IS_THERE = "ck_stock_dated_is_there"


class StockHasExpired(Exception):
    """What is to leave is more than has not expired; nothing was stored."""


_LINES = TypeAdapter(list[LineQuantity])


def columns(new: Sequence[NewShipment]) -> list[list[Any]]:
    """As arrays, for the statement that makes them (`reservations/queries.py`)."""
    return [
        [each.id for each in new],
        [each.order.order_id for each in new],
        [each.order.customer_id for each in new],
        [each.order.number for each in new],
        [each.warehouse_id for each in new],
        [each.shipments_of_order for each in new],
        [_LINES.dump_json(each.lines).decode() for each in new],
        [each.order.ship_to.model_dump_json() for each in new],
    ]


async def cancel(tx: Transaction, order_ids: Collection[UUID]) -> None:
    """What has not left of these orders never will."""
    if order_ids:
        await tx.execute(CANCEL, order_ids)


async def mark_refunded(tx: Transaction, refunded: Mapping[UUID, bool]) -> None:
    """Shipments of these orders that have not left."""
    await tx.execute(MARK_REFUNDED, list(refunded), list(refunded.values()))


async def parcels_left(tx: Transaction, order_ids: Collection[UUID]) -> dict[UUID, int]:
    """How many parcels of each order went out; orders of which none did are absent."""
    return {row[0]: row[1] for row in await tx.fetch(PARCELS_LEFT, order_ids)} if order_ids else {}


async def read(connection: Connection, shipment_ids: Collection[UUID]) -> dict[UUID, tuple[Shipment, int]]:
    """The shipments that there are of these, each with the version of its order's reservation; nothing is locked."""
    rows = await connection.fetch(READ, list(shipment_ids))
    return {row["id"]: (_shipment(row), row["reservation_version"]) for row in rows}


async def store_dispatch(
    connection: Connection, dispatching: Sequence[tuple[Shipment, int]], dispatched_by: UUID, events: Sequence[Event]
) -> set[UUID]:
    """Parcels leave, one of each order: shipment, reservation, stock, ledger and events. The ids of those that did: of
    the others nothing is stored, since their reservation has changed from the version that stands beside them.

    Hot: one statement, which is the transaction (`benchmarks/`: whole flow). Whatever becomes of an order's shipments
    before they left changes its reservation's version, so a release and another dispatch at the same moment either see
    this one or are seen. Everything hangs on the reservations' rows, which are so locked before the stock's. Where
    batches are known those that expire first leave first, and none that has expired.

    Raises: StockHasExpired, where pieces without a date and of batches that have not expired are too few.
    """
    shipments = [shipment for shipment, _ in dispatching]
    lines = [
        (each.id, product_id, quantity, uuid7())
        for each in shipments
        for product_id, quantity in each.quantities().items()
    ]
    columns = (
        [each.id for each in shipments], [each.order_id for each in shipments],
        [version for _, version in dispatching], [each.warehouse_id for each in shipments],
        [each.carrier for each in shipments], [each.tracking_number for each in shipments],
        [each.version for each in shipments], shipments[0].dispatched_at,
        *(zip(*lines, strict=True) if lines else [()] * 4), dispatched_by, utcnow().date(),
        [each.tracking_url for each in shipments], *outbox.columns(events),
    )  # fmt: skip
    try:
        rows = await connection.fetch(DISPATCH, *columns)
    except asyncpg.CheckViolationError as error:
        raise StockHasExpired if error.constraint_name == DATED_IS_THERE else error from error
    connection.added_events = bool(rows)
    signal(connection, STOCK_CHANGED)
    return {row[0] for row in rows}


async def store_delivery(connection: Connection, shipment: Shipment, events: Sequence[Event]) -> bool:
    """The shipment and its event, or False, and nothing, if another was first. Hot: one statement, the transaction."""
    stored = await connection.fetchval(
        DELIVER, shipment.id, shipment.delivered_at, shipment.version, *outbox.columns(events)
    )
    connection.added_events = bool(stored)
    return bool(stored)


async def store_change(connection: Connection, shipment: Shipment, events: Sequence[Event]) -> bool:
    """A correction or a loss, or False, and nothing, if another step was first. One statement, the transaction."""
    stored = await connection.fetchval(
        CHANGE, shipment.id, shipment.version, shipment.status, shipment.carrier, shipment.tracking_number,
        shipment.tracking_url, json.dumps(shipment.corrections), shipment.lost_at, *outbox.columns(events),
    )  # fmt: skip
    connection.added_events = bool(stored)
    return bool(stored)


async def by_id(tx: Session, shipment_id: UUID) -> Shipment | None:
    return await tx.get(Shipment, shipment_id)


async def search(
    tx: Session,
    position: Position,
    *,
    order_id: UUID | None,
    status: ShipmentStatus | None,
    warehouse_id: UUID | None,
    refunded: bool | None,
) -> Slice[Shipment]:
    """Without their lines: `shorten` gives them the first."""
    statement = select(Shipment).options(without_lines(Shipment))
    if order_id is not None:
        statement = statement.where(Shipment.order_id == order_id)
    if status is not None:
        statement = statement.where(Shipment.status == status)
    if warehouse_id is not None:
        statement = statement.where(Shipment.warehouse_id == warehouse_id)
    if refunded is not None:
        statement = statement.where(Shipment.refunded == refunded)
    return await keyset(tx, statement, position, Shipment.id)


def _shipment(row: Any) -> Shipment:
    values = {name: value for name, value in row.items() if name != "reservation_version"}
    parsed = {name: json.loads(values[name]) for name in ("lines", "ship_to", "corrections")}
    return Shipment(**{**values, **parsed})
