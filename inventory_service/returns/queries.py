"""Every statement about returns. Who receives one locks its row before the stock's."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import select

from inventory_service.returns.models import Return, ReturnStatus
from service_kit.database import Session, Transaction
from service_kit.database.keyset import Position, Slice, keyset
from service_kit.database.summaries import without_lines

EXPECT = """
INSERT INTO returns (id, order_id, customer_id, number, lines, status, version, created_at)
SELECT *, 'expected', 1, now() FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::jsonb[])
ON CONFLICT (id) DO NOTHING
"""
LOCK = "SELECT * FROM returns WHERE id = $1 FOR UPDATE"
RECEIVE = """
UPDATE returns SET status = $2, lines = $3::jsonb, warehouse_id = $4, received_by = $5, received_at = $6, version = $7
WHERE id = $1
"""

CLOSE = "UPDATE returns SET status = $2, closed_by = $3, closed_at = $4, version = $5 WHERE id = $1"
CLOSE_OVERDUE = """
UPDATE returns SET status = 'closed', closed_at = now(), version = version + 1
WHERE id IN (
    SELECT id FROM returns WHERE status = 'expected' AND created_at < $1 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
)
RETURNING id, order_id, customer_id, number, version
"""


async def expect(tx: Transaction, returns: Sequence[Return]) -> None:
    """Those that are new."""
    await tx.execute(
        EXPECT,
        [each.id for each in returns],
        [each.order_id for each in returns],
        [each.customer_id for each in returns],
        [each.number for each in returns],
        [json.dumps(each.lines) for each in returns],
    )


async def lock(tx: Transaction, return_id: UUID) -> Return | None:
    """Held until the transaction ends, so that it is received once."""
    row: Any = await tx.fetchrow(LOCK, return_id)
    return Return(**{**row, "lines": json.loads(row["lines"])}) if row else None


async def store_received(tx: Transaction, received: Return) -> None:
    await tx.execute(
        RECEIVE, received.id, received.status, json.dumps(received.lines), received.warehouse_id,
        received.received_by, received.received_at, received.version,
    )  # fmt: skip


async def store_closed(tx: Transaction, closed: Return) -> None:
    await tx.execute(CLOSE, closed.id, closed.status, closed.closed_by, closed.closed_at, closed.version)


async def close_overdue(tx: Transaction, expected_before: datetime, limit: int) -> list[Any]:
    """Those that have been awaited for too long, and are not received at this moment."""
    return list(await tx.fetch(CLOSE_OVERDUE, expected_before, limit))


async def by_id(tx: Session, return_id: UUID) -> Return | None:
    return await tx.get(Return, return_id)


async def search(
    tx: Session, position: Position, *, order_id: UUID | None, status: ReturnStatus | None
) -> Slice[Return]:
    """Without their lines: `shorten` gives them the first."""
    statement = select(Return).options(without_lines(Return))
    if order_id is not None:
        statement = statement.where(Return.order_id == order_id)
    if status is not None:
        statement = statement.where(Return.status == status)
    return await keyset(tx, statement, position, Return.id)
