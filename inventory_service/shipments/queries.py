"""Every statement about shipments."""

import json
from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlmodel import select

from contracts.events.base import Event
from contracts.quantity import ProductQuantity
from inventory_service.shipments.models import NewShipment, Shipment, ShipmentStatus
from service_kit.database import HotConn, HotTx, Tx
from service_kit.database.keyset import Position, Slice, keyset
from service_kit.ids import uuid7
from service_kit.messaging import outbox

CANCEL = """
UPDATE shipments SET status = 'cancelled', version = version + 1 WHERE order_id = ANY($1::uuid[]) AND status = 'created'
"""
PARCELS_LEFT = """
SELECT order_id, count(*) FROM shipments
WHERE order_id = ANY($1::uuid[]) AND status IN ('dispatched', 'delivered') GROUP BY order_id
"""
READ = """
SELECT shipments.*, reservations.version AS reservation_version
FROM shipments JOIN reservations USING (order_id) WHERE shipments.id = $1
"""
DISPATCH = f"""
WITH reserved AS (
    UPDATE reservations SET version = version + 1, status = CASE WHEN EXISTS (
        SELECT FROM shipments AS other WHERE other.order_id = $2 AND other.status = 'created' AND other.id <> $1
    ) THEN 'fulfilling' ELSE 'fulfilled' END
    WHERE order_id = $2 AND version = $3 RETURNING order_id
), shipped AS (
    UPDATE shipments SET status = 'dispatched', carrier = $5, tracking_number = $6, dispatched_at = $7, version = $8
    FROM reserved WHERE shipments.id = $1
), used AS (
    DELETE FROM reservation_lines AS line USING reserved
    WHERE line.order_id = reserved.order_id AND line.warehouse_id = $4
), locked AS MATERIALIZED (
    SELECT stock.product_id FROM reserved, stock
    WHERE stock.warehouse_id = $4 AND stock.product_id = ANY($9::uuid[]) ORDER BY stock.product_id FOR UPDATE OF stock
), deducted AS (
    UPDATE stock SET on_hand = on_hand - line.quantity, reserved = reserved - line.quantity,
                     version = version + 1, to_publish = true
    FROM locked JOIN unnest($9::uuid[], $10::bigint[], $11::uuid[]) AS line (product_id, quantity, movement_id)
                USING (product_id)
    WHERE stock.product_id = locked.product_id AND stock.warehouse_id = $4
    RETURNING stock.product_id, line.quantity, line.movement_id
), moved AS (
    INSERT INTO stock_movements
        (id, product_id, warehouse_id, kind, quantity, shipment_id, order_id, user_id, created_at)
    SELECT movement_id, product_id, $4, 'dispatch', -quantity, $1, $2, $12, $7 FROM deducted
), said AS (
    INSERT INTO outbox ({outbox.INSERT_COLUMNS}) SELECT said.* FROM reserved, {outbox.unnest(13)} AS said
)
SELECT EXISTS (SELECT FROM reserved)
"""
DELIVER = f"""
WITH delivered AS (
    UPDATE shipments SET status = 'delivered', delivered_at = $2, version = $3
    WHERE id = $1 AND status = 'dispatched' RETURNING id
), said AS (
    INSERT INTO outbox ({outbox.INSERT_COLUMNS}) SELECT said.* FROM delivered, {outbox.unnest(4)} AS said
)
SELECT EXISTS (SELECT FROM delivered)
"""

_LINES = TypeAdapter(list[ProductQuantity])


def columns(new: Sequence[NewShipment]) -> list[list[Any]]:
    """As arrays, for the statement that makes them (`reservations/queries.py`)."""
    return [
        [each.id for each in new],
        [each.order.order_id for each in new],
        [each.order.user_id for each in new],
        [each.order.number for each in new],
        [each.warehouse_id for each in new],
        [each.shipments_of_order for each in new],
        [_LINES.dump_json(each.lines).decode() for each in new],
        [each.order.ship_to.model_dump_json() for each in new],
    ]


async def cancel(tx: HotTx, order_ids: Collection[UUID]) -> None:
    """What has not left of these orders never will."""
    if order_ids:
        await tx.execute(CANCEL, order_ids)


async def parcels_left(tx: HotTx, order_ids: Collection[UUID]) -> dict[UUID, int]:
    """How many parcels of each order went out; orders of which none did are absent."""
    return {row[0]: row[1] for row in await tx.fetch(PARCELS_LEFT, order_ids)} if order_ids else {}


async def read(connection: HotConn, shipment_id: UUID) -> tuple[Shipment, int] | None:
    """The shipment, and the version of its order's reservation; nothing is locked."""
    row = await connection.fetchrow(READ, shipment_id)
    return (_shipment(row), row["reservation_version"]) if row else None


async def store_dispatch(
    connection: HotConn, shipment: Shipment, reservation_version: int, user_id: UUID, events: Sequence[Event]
) -> bool:
    """The parcel leaves: shipment, reservation, stock, ledger and events; or False, and nothing, if the reservation
    has changed since it was read.

    Hot: one statement, which is the transaction (`benchmarks/`: whole flow). Whatever becomes of an order's shipments
    before they left changes its reservation's version, so a release and another dispatch at the same moment either see
    this one or are seen. Everything hangs on the reservation's row, which is so locked before the stock's.
    """
    quantities = shipment.quantities()
    stored = await connection.fetchval(
        DISPATCH, shipment.id, shipment.order_id, reservation_version, shipment.warehouse_id,
        shipment.carrier, shipment.tracking_number, shipment.dispatched_at, shipment.version,
        list(quantities), list(quantities.values()), [uuid7() for _ in quantities], user_id, *outbox.columns(events),
    )  # fmt: skip
    connection.added_events = bool(stored)
    return bool(stored)


async def store_delivery(connection: HotConn, shipment: Shipment, events: Sequence[Event]) -> bool:
    """The shipment and its event, or False, and nothing, if another was first. Hot: one statement, the transaction."""
    stored = await connection.fetchval(
        DELIVER, shipment.id, shipment.delivered_at, shipment.version, *outbox.columns(events)
    )
    connection.added_events = bool(stored)
    return bool(stored)


async def by_id(tx: Tx, shipment_id: UUID) -> Shipment | None:
    return await tx.get(Shipment, shipment_id)


async def search(
    tx: Tx, position: Position, *, order_id: UUID | None, status: ShipmentStatus | None, warehouse_id: UUID | None
) -> Slice[Shipment]:
    statement = select(Shipment)
    if order_id is not None:
        statement = statement.where(Shipment.order_id == order_id)
    if status is not None:
        statement = statement.where(Shipment.status == status)
    if warehouse_id is not None:
        statement = statement.where(Shipment.warehouse_id == warehouse_id)
    return await keyset(tx, statement, position, Shipment.id)


def _shipment(row: Any) -> Shipment:
    values = {name: value for name, value in row.items() if name != "reservation_version"}
    return Shipment(**{**values, "lines": json.loads(values["lines"]), "ship_to": json.loads(values["ship_to"])})
