"""Every statement about returns. Whoever changes an order's returns holds the order's row."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlmodel import select
from sqlmodel.sql.expression import SelectOfScalar

from order_service.orders.listing import LINES
from order_service.orders.models import OrderLine
from order_service.returns.models import Return, Returnable, ReturnStatus
from service_kit.database import HotTx, Tx
from service_kit.database.keyset import Position, Slice, keyset
from service_kit.database.summaries import without_lines

COLUMNS = ", ".join(Return.model_fields)
INSERT = f"""
INSERT INTO returns ({COLUMNS}) VALUES ({", ".join(f"${n}" for n in range(1, len(Return.model_fields) + 1))})
"""
SAVE = """
UPDATE returns SET status = $2, lines = $3::jsonb, refusal = $4, decided_by = $5, decided_at = $6, received_at = $7,
                   worth = $8, to_refund = $9
WHERE id = $1
"""
ORDER_OF = "SELECT order_id FROM returns WHERE id = $1 AND ($2::uuid IS NULL OR user_id = $2)"
BY_IDS = f"SELECT {COLUMNS} FROM returns WHERE id = ANY($1::uuid[])"
OF_ORDER = f"SELECT {COLUMNS} FROM returns WHERE order_id = $1 ORDER BY id"


async def order_of(tx: HotTx, return_id: UUID, owner: UUID | None) -> UUID | None:
    """`owner` None: anybody's."""
    found: UUID | None = await tx.fetchval(ORDER_OF, return_id, owner)
    return found


async def by_ids(tx: HotTx, return_ids: Sequence[UUID]) -> dict[UUID, Return]:
    return {row["id"]: _return(row) for row in await tx.fetch(BY_IDS, list(return_ids))}


async def returnable(tx: HotTx, order_id: UUID) -> Returnable:
    """What the order brought, and all its returns."""
    lines = [OrderLine(**row) for row in await tx.fetch(LINES, order_id)]
    return Returnable(lines, [_return(row) for row in await tx.fetch(OF_ORDER, order_id)])


async def insert(tx: HotTx, made: Return) -> None:
    values = {name: getattr(made, name) for name in Return.model_fields}
    await tx.execute(INSERT, *{**values, "lines": json.dumps(made.lines)}.values())


async def save(tx: HotTx, changed: Return) -> None:
    await tx.execute(
        SAVE, changed.id, changed.status, json.dumps(changed.lines), changed.refusal, changed.decided_by,
        changed.decided_at, changed.received_at, changed.worth, changed.to_refund,
    )  # fmt: skip


async def of_order(tx: Tx, position: Position, order_id: UUID) -> Slice[Return]:
    return await keyset(tx, _summaries().where(Return.order_id == order_id), position, Return.id)


async def search(tx: Tx, position: Position, *, status: ReturnStatus | None, user_id: UUID | None) -> Slice[Return]:
    statement = _summaries()
    if status is not None:
        statement = statement.where(Return.status == status)
    if user_id is not None:
        statement = statement.where(Return.user_id == user_id)
    return await keyset(tx, statement, position, Return.id)


def _summaries() -> SelectOfScalar[Return]:
    """For a list, without their lines: `shorten` gives them the first."""
    return select(Return).options(without_lines(Return))


async def find(tx: Tx, return_id: UUID, owner: UUID | None) -> Return | None:
    """`owner` None: anybody's."""
    statement = select(Return).where(Return.id == return_id)
    if owner is not None:
        statement = statement.where(Return.user_id == owner)
    return (await tx.exec(statement)).first()


def _return(row: Any) -> Return:
    return Return(**{**row, "lines": json.loads(row["lines"])})
