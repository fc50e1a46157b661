"""Every statement about returns. To change an order's returns, lock the order first."""

from typing import Any
from uuid import UUID

from sqlmodel import col, select

from order_service.orders import queries as orders
from order_service.orders.lifecycle import OrderState
from order_service.orders.models import OrderLine, ShipmentStatus, Status
from order_service.returns.models import Return, Returnable
from order_service.returns.parcels import pieces_of
from service_kit.database import AnySession, Session, Statement, Transaction
from service_kit.database import insert as insertion
from service_kit.database.keyset import Position, Slice, keyset
from service_kit.database.summaries import without_lines

ALL_ENDED = frozenset({Status.DELIVERED, Status.COMPLETED, Status.RETURNED})

_COLUMNS = ", ".join(Return.model_fields)
_INSERT = Statement(insertion("made", Return))
_SAVE = Statement("""
UPDATE returns SET status = :changed.status, lines = :changed.lines::jsonb, decided_by = :changed.decided_by,
                   rejection_reason = :changed.rejection_reason, decided_at = :changed.decided_at,
                   received_at = :changed.received_at, worth = :changed.worth, to_refund = :changed.to_refund,
                   closed_at = :changed.closed_at
WHERE id = :changed.id
""")
_FIND = Statement(f"SELECT {_COLUMNS} FROM returns WHERE id = :id AND (:owner::uuid IS NULL OR customer_id = :owner)")
_OF_ORDER = Statement(f"SELECT {_COLUMNS} FROM returns WHERE order_id = :order_id ORDER BY id")
# A parcel without lines was delivered before events contained them.
_ENDED_PARCELS = Statement("""
SELECT status, lines FROM order_shipments
WHERE order_id = :order_id AND status IN ('delivered', 'lost') AND lines IS NOT NULL ORDER BY id
""")


async def find(db: AnySession, return_id: UUID, owner: UUID | None = None) -> Return | None:
    """`owner` None: any customer's."""
    return await _FIND.fetchrow_as(db, Return, id=return_id, owner=owner)


async def returnable(tx: Transaction, order: OrderState) -> Returnable:
    """The order's delivered and lost pieces, and all its returns. The order must be locked."""
    lines = [OrderLine(**row) for row in (await orders.lines_of(tx, [order.id]))[order.id]]
    returns = await _OF_ORDER.fetch_as(tx, Return, order_id=order.id)
    parcels = await _ENDED_PARCELS.fetch(tx, order_id=order.id)
    lost = pieces_of(lines, [held for status, held in parcels if status == ShipmentStatus.LOST])
    if order.status in ALL_ENDED:  # even if the contents of its parcels are unknown
        return Returnable(lines, returns, {line.position: line.quantity - lost[line.position] for line in lines}, lost)
    arrived = pieces_of(lines, [held for status, held in parcels if status == ShipmentStatus.DELIVERED])
    return Returnable(lines, returns, arrived, lost)


async def insert(tx: Transaction, made: Return) -> None:
    await _INSERT.execute(tx, made=[made])


async def save(tx: Transaction, changed: Return) -> None:
    await _SAVE.execute(tx, changed=changed)


async def page(tx: Session, position: Position, **equal: Any) -> Slice[Return]:
    """`equal` are columns with the values that they must have (None: any). Without the lines: `shorten` reads the first
    of them."""
    conditions = [col(getattr(Return, name)) == value for name, value in equal.items() if value is not None]
    return await keyset(tx, select(Return).where(*conditions).options(without_lines(Return)), position, Return.id)
