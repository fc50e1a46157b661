"""Every statement about returns. Whoever changes an order's returns holds the order's row."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlmodel import select
from sqlmodel.sql.expression import SelectOfScalar

from order_service.orders import reading
from order_service.orders.lifecycle import OrderState
from order_service.orders.models import OrderLine, ShipmentStatus, Status
from order_service.returns.models import Return, Returnable, ReturnStatus
from order_service.returns.parcels import pieces_of
from service_kit.database import Session, Transaction
from service_kit.database.keyset import Position, Slice, keyset
from service_kit.database.summaries import without_lines

COLUMNS = ", ".join(Return.model_fields)
INSERT = f"""
INSERT INTO returns ({COLUMNS}) VALUES ({", ".join(f"${n}" for n in range(1, len(Return.model_fields) + 1))})
"""
SAVE = """
UPDATE returns SET status = $2, lines = $3::jsonb, rejection_reason = $4, decided_by = $5, decided_at = $6,
                   received_at = $7, worth = $8, to_refund = $9, closed_at = $10
WHERE id = $1
"""
ORDER_OF = "SELECT order_id FROM returns WHERE id = $1 AND ($2::uuid IS NULL OR customer_id = $2)"
BY_IDS = f"SELECT {COLUMNS} FROM returns WHERE id = ANY($1::uuid[])"
# Null: it arrived before what was in it was told.
ENDED_PARCELS = """
SELECT status, lines FROM order_shipments
WHERE order_id = $1 AND status IN ('delivered', 'lost') AND lines IS NOT NULL ORDER BY id
"""
ALL_ENDED = frozenset({Status.DELIVERED, Status.COMPLETED, Status.RETURNED})
OF_ORDER = f"SELECT {COLUMNS} FROM returns WHERE order_id = $1 ORDER BY id"


async def order_of(tx: Transaction, return_id: UUID, owner: UUID | None) -> UUID | None:
    """`owner` None: anybody's."""
    found: UUID | None = await tx.fetchval(ORDER_OF, return_id, owner)
    return found


async def by_ids(tx: Transaction, return_ids: Sequence[UUID]) -> dict[UUID, Return]:
    return {row["id"]: _return(row) for row in await tx.fetch(BY_IDS, list(return_ids))}


async def returnable(tx: Transaction, order: OrderState) -> Returnable:
    """What the order's parcels brought, and all its returns. The order's row is held."""
    lines = [OrderLine(**row) for row in (await reading.lines_of(tx, [order.id]))[order.id]]
    returns = [_return(row) for row in await tx.fetch(OF_ORDER, order.id)]
    parcels = [(row[0], json.loads(row[1])) for row in await tx.fetch(ENDED_PARCELS, order.id)]
    lost = pieces_of(lines, [held for status, held in parcels if status == ShipmentStatus.LOST])
    if order.status in ALL_ENDED:  # also where parcels arrived before what was in them was told
        return Returnable(lines, returns, {line.position: line.quantity - lost[line.position] for line in lines}, lost)
    arrived = pieces_of(lines, [held for status, held in parcels if status == ShipmentStatus.DELIVERED])
    return Returnable(lines, returns, arrived, lost)


async def insert(tx: Transaction, made: Return) -> None:
    values = {name: getattr(made, name) for name in Return.model_fields}
    await tx.execute(INSERT, *{**values, "lines": json.dumps(made.lines)}.values())


async def save(tx: Transaction, changed: Return) -> None:
    await tx.execute(
        SAVE, changed.id, changed.status, json.dumps(changed.lines), changed.rejection_reason, changed.decided_by,
        changed.decided_at, changed.received_at, changed.worth, changed.to_refund, changed.closed_at,
    )  # fmt: skip


async def of_order(tx: Session, position: Position, order_id: UUID) -> Slice[Return]:
    return await keyset(tx, _summaries().where(Return.order_id == order_id), position, Return.id)


async def search(
    tx: Session, position: Position, *, status: ReturnStatus | None, customer_id: UUID | None
) -> Slice[Return]:
    statement = _summaries()
    if status is not None:
        statement = statement.where(Return.status == status)
    if customer_id is not None:
        statement = statement.where(Return.customer_id == customer_id)
    return await keyset(tx, statement, position, Return.id)


def _summaries() -> SelectOfScalar[Return]:
    """For a list, without their lines: `shorten` gives them the first."""
    return select(Return).options(without_lines(Return))


async def find(tx: Session, return_id: UUID, owner: UUID | None) -> Return | None:
    """`owner` None: anybody's."""
    statement = select(Return).where(Return.id == return_id)
    if owner is not None:
        statement = statement.where(Return.customer_id == owner)
    return (await tx.exec(statement)).first()


def _return(row: Any) -> Return:
    return Return(**{**row, "lines": json.loads(row["lines"])})
