"""Every statement about shipments."""

from collections.abc import Collection, Sequence
from typing import NamedTuple
from uuid import UUID

import asyncpg

from contracts.events.base import Event
from contracts.events.inventory_deduction import FulfilmentRefunded
from inventory_service.shipments.models import Shipment
from inventory_service.stock.models import STOCK_CHANGED
from service_kit.clock import utcnow
from service_kit.database import Connection, Statement, columns, rows
from service_kit.database.signals import signal
from service_kit.ids import uuid7
from service_kit.messaging import outbox


class Versioned(NamedTuple):
    """A shipment, and the version of its order's reservation when both were read."""

    shipment: Shipment
    reservation_version: int


class Deducted(NamedTuple):
    """Pieces of a product in a dispatched shipment. `id`: of the movement in the ledger."""

    id: UUID
    shipment_id: UUID
    product_id: UUID
    quantity: int


CANCEL = Statement("""
UPDATE shipments SET status = 'cancelled', version = version + 1
WHERE order_id = ANY(:order_ids::uuid[]) AND status = 'created'
""")
# Marks only shipments that are not dispatched. A concurrent dispatch that was decided before finds another version of
# the reservation, and is decided again.
MARK_REFUNDED = Statement(f"""
WITH reported AS (
    SELECT * FROM {rows("reported", FulfilmentRefunded, "order_id", "refunded")}
), held AS MATERIALIZED (
    SELECT order_id FROM reservations WHERE order_id = ANY(:reported[].order_id::uuid[]) ORDER BY order_id FOR UPDATE
), changed AS (
    UPDATE reservations SET version = version + 1 FROM held WHERE reservations.order_id = held.order_id
)
UPDATE shipments SET refunded = reported.refunded, version = version + 1
FROM held JOIN reported USING (order_id) WHERE shipments.order_id = held.order_id AND shipments.status = 'created'
""")
# The number of dispatched parcels of each order; orders without any are absent.
PARCELS_LEFT = Statement("""
SELECT order_id, count(*) FROM shipments
WHERE order_id = ANY(:order_ids::uuid[]) AND status IN ('dispatched', 'delivered', 'lost') GROUP BY order_id
""")
READ = Statement(f"""
SELECT {columns(Shipment)}, reservations.version AS reservation_version
FROM shipments JOIN reservations USING (order_id) WHERE shipments.id = ANY(:ids::uuid[])
""")
DISPATCH = Statement(f"""
WITH parcel AS (
    SELECT * FROM unnest(
        :parcels[].shipment.id::uuid[], :parcels[].shipment.order_id::uuid[], :parcels[].reservation_version::bigint[],
        :parcels[].shipment.warehouse_id::uuid[], :parcels[].shipment.carrier::text[],
        :parcels[].shipment.tracking_number::text[], :parcels[].shipment.tracking_url::text[],
        :parcels[].shipment.version::int[]
    ) AS parcel (id, order_id, reservation_version, warehouse_id, carrier, tracking_number, tracking_url, version)
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
    UPDATE shipments SET status = 'dispatched', carrier = dispatching.carrier, dispatched_at = :now,
                         tracking_number = dispatching.tracking_number, tracking_url = dispatching.tracking_url,
                         version = dispatching.version
    FROM dispatching WHERE shipments.id = dispatching.id
), line AS MATERIALIZED (
    SELECT line.*, dispatching.order_id, dispatching.warehouse_id
    FROM {rows("line", Deducted)} JOIN dispatching ON dispatching.id = line.shipment_id
), sum AS (
    SELECT product_id, warehouse_id, sum(quantity) AS quantity FROM line GROUP BY product_id, warehouse_id
), locked AS MATERIALIZED (
    SELECT product_id, warehouse_id, sum.quantity, stock.dated FROM sum JOIN stock USING (product_id, warehouse_id)
    ORDER BY product_id, warehouse_id FOR UPDATE OF stock
), batch AS MATERIALIZED (
    SELECT batch.*, locked.quantity AS wanted
    FROM locked JOIN stock_batches AS batch USING (product_id, warehouse_id)
    WHERE locked.dated > 0 AND batch.expires_on > :today AND batch.quantity > 0 FOR UPDATE OF batch
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
    SELECT id, product_id, warehouse_id, 'dispatch', -quantity, shipment_id, order_id, :dispatched_by, :now FROM line
), new_events AS (
    INSERT INTO outbox ({outbox.COLUMNS}) SELECT events.* FROM {outbox.ROWS}
    JOIN dispatching ON events.key = convert_to(dispatching.order_id::text, 'UTF8')
)
SELECT id FROM dispatching
""")
# A step after the dispatch: delivery, loss or correction.
STORE_STEP = Statement(f"""
WITH stored AS (
    UPDATE shipments SET status = :it.status, carrier = :it.carrier, tracking_number = :it.tracking_number,
                         tracking_url = :it.tracking_url, corrections = :it.corrections::jsonb,
                         delivered_at = :it.delivered_at, lost_at = :it.lost_at, version = :it.version
    WHERE id = :it.id AND version = :it.version - 1 RETURNING id
), new_events AS (
    INSERT INTO outbox ({outbox.COLUMNS}) SELECT events.* FROM stored, {outbox.ROWS}
)
SELECT EXISTS (SELECT FROM stored)
""")

DATED_IS_THERE = "ck_stock_dated_is_there"


class StockHasExpired(Exception):
    """The parcels need more pieces than there are unexpired ones. Nothing was stored."""


async def read(connection: Connection, shipment_ids: Collection[UUID]) -> dict[UUID, Versioned]:
    """The shipments with these ids. Nothing is locked."""
    found = await READ.fetch(connection, ids=list(shipment_ids))
    return {row["id"]: Versioned(Shipment(**row), row["reservation_version"]) for row in found}


async def store_dispatch(
    connection: Connection, parcels: Sequence[Versioned], dispatched_by: UUID, events: Sequence[Event]
) -> set[UUID]:
    """Stores dispatches of parcels, at most one of each order: shipment, reservation, stock, ledger and events. Returns
    the ids of the dispatched ones. The others, whose reservation has another version than the one read, do not change.

    Hot: one statement, which is the transaction (`benchmarks/`: whole flow). Each change of an order's shipments before
    their dispatch increments the version of its reservation. So of this dispatch and a concurrent release, or dispatch
    of another parcel, the second one sees the first. The statement locks the rows of reservations before those of
    `stock`. It takes pieces from the batches that expire first, but none that have expired.

    Raises: StockHasExpired, if too few pieces have not expired.
    """
    line = [
        Deducted(uuid7(), shipment.id, product_id, quantity)
        for shipment, _ in parcels
        for product_id, quantity in shipment.quantities().items()
    ]
    try:
        found = await DISPATCH.fetch(
            connection, parcels=parcels, line=line, dispatched_by=dispatched_by,
            now=parcels[0].shipment.dispatched_at, today=utcnow().date(), events=outbox.rows(events),
        )  # fmt: skip
    except asyncpg.CheckViolationError as error:
        raise StockHasExpired if error.constraint_name == DATED_IS_THERE else error from error
    connection.added_events = bool(found)
    signal(connection, STOCK_CHANGED)
    return {id for (id,) in found}


async def store_step(connection: Connection, shipment: Shipment, event: Event) -> bool:
    """Stores the shipment and its event. Returns False, and stores nothing, if another step was stored since the read.
    Hot: one statement, which is the transaction."""
    stored = bool(await STORE_STEP.fetchval(connection, it=shipment, events=outbox.rows([event])))
    connection.added_events = stored
    return stored
