"""Every statement about shipments."""

import json
from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlmodel import select

from contracts.quantity import ProductQuantity
from inventory_service.shipments.models import NewShipment, Shipment, ShipmentStatus
from service_kit.database import HotTx, Tx
from service_kit.database.keyset import Position, Slice, keyset

ADD = """
INSERT INTO shipments (id, order_id, user_id, number, warehouse_id, status, shipments_of_order, lines, ship_to, version,
                       created_at)
SELECT id, order_id, user_id, number, warehouse_id, 'created', shipments_of_order, lines, ship_to, 1, now()
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::uuid[], $6::int[], $7::jsonb[], $8::jsonb[])
     AS new (id, order_id, user_id, number, warehouse_id, shipments_of_order, lines, ship_to)
"""
CANCEL = """
UPDATE shipments SET status = 'cancelled', version = version + 1 WHERE order_id = ANY($1::uuid[]) AND status = 'created'
"""
PARCELS_LEFT = """
SELECT order_id, count(*) FROM shipments
WHERE order_id = ANY($1::uuid[]) AND status IN ('dispatched', 'delivered') GROUP BY order_id
"""
# Not joined: the shipment is read by a second statement, which sees what was committed while this one waited.
LOCK_RESERVATION = """
SELECT version FROM reservations WHERE order_id = (SELECT order_id FROM shipments WHERE id = $1) FOR UPDATE
"""
READ_TO_DISPATCH = """
SELECT *, NOT EXISTS (
    SELECT FROM shipments AS other
    WHERE other.order_id = shipments.order_id AND other.status = 'created' AND other.id <> shipments.id
) AS is_last
FROM shipments WHERE id = $1
"""
LOCK = "SELECT * FROM shipments WHERE id = $1 FOR UPDATE"
DISPATCHED = """
WITH shipped AS (
    UPDATE shipments SET status = 'dispatched', carrier = $3, tracking_number = $4, dispatched_at = $5, version = $6
    WHERE id = $1
), used AS (
    DELETE FROM reservation_lines WHERE order_id = $2 AND warehouse_id = $7
)
UPDATE reservations SET version = $8, status = $9 WHERE order_id = $2
"""
DELIVERED = "UPDATE shipments SET status = 'delivered', delivered_at = $2, version = $3 WHERE id = $1"

_LINES = TypeAdapter(list[ProductQuantity])


async def add(tx: HotTx, new: Sequence[NewShipment]) -> None:
    if not new:
        return
    await tx.execute(
        ADD,
        [each.id for each in new],
        [each.order.order_id for each in new],
        [each.order.user_id for each in new],
        [each.order.number for each in new],
        [each.warehouse_id for each in new],
        [each.shipments_of_order for each in new],
        [_LINES.dump_json(each.lines).decode() for each in new],
        [each.order.ship_to.model_dump_json() for each in new],
    )


async def cancel(tx: HotTx, order_ids: Collection[UUID]) -> None:
    """What has not left of these orders never will."""
    if order_ids:
        await tx.execute(CANCEL, order_ids)


async def parcels_left(tx: HotTx, order_ids: Collection[UUID]) -> dict[UUID, int]:
    """How many parcels of each order went out; orders of which none did are absent."""
    return {row[0]: row[1] for row in await tx.fetch(PARCELS_LEFT, order_ids)} if order_ids else {}


async def lock_reservation_of(tx: HotTx, shipment_id: UUID) -> int | None:
    """Holds the row that decides between a release and a dispatch; its version, or None: no such shipment."""
    version: int | None = await tx.fetchval(LOCK_RESERVATION, shipment_id)
    return version


async def read_to_dispatch(tx: HotTx, shipment_id: UUID) -> tuple[Shipment, bool] | None:
    """The shipment, and whether the order's other parcels have all left or been called off."""
    row = await tx.fetchrow(READ_TO_DISPATCH, shipment_id)
    return (_shipment(row), row["is_last"]) if row else None


async def lock(tx: HotTx, shipment_id: UUID) -> Shipment | None:
    row = await tx.fetchrow(LOCK, shipment_id)
    return _shipment(row) if row else None


async def store_dispatch(tx: HotTx, shipment: Shipment, reservation_version: int, reservation_status: str) -> None:
    """The shipment, the end of what was held for it, and the reservation; one statement."""
    await tx.execute(
        DISPATCHED, shipment.id, shipment.order_id, shipment.carrier, shipment.tracking_number, shipment.dispatched_at,
        shipment.version, shipment.warehouse_id, reservation_version, reservation_status,
    )  # fmt: skip


async def store_delivery(tx: HotTx, shipment: Shipment) -> None:
    await tx.execute(DELIVERED, shipment.id, shipment.delivered_at, shipment.version)


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
    values = {name: value for name, value in row.items() if name != "is_last"}
    return Shipment(**{**values, "lines": json.loads(values["lines"]), "ship_to": json.loads(values["ship_to"])})
