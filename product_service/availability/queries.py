"""Every statement about availability."""

from collections.abc import Sequence

from contracts.events.stock_levels import StockChanged
from service_kit.clock import utcnow
from service_kit.database import Statement, Transaction, rows

# Hot: one statement for a batch, which has one event for each product. An older version never replaces a newer one,
# whatever the order of arrival. A batch is sorted by id, so that rows are always locked in the same order.
UPSERT = Statement(f"""
INSERT INTO availability (product_id, on_hand, reserved, available, version, updated_at)
SELECT level.*, :now FROM {rows("level", StockChanged, "product_id", "on_hand", "reserved", "available", "version")}
ON CONFLICT (product_id) DO UPDATE
SET on_hand = excluded.on_hand, reserved = excluded.reserved, available = excluded.available,
    version = excluded.version, updated_at = excluded.updated_at
WHERE availability.version < excluded.version
""")


async def upsert(tx: Transaction, levels: Sequence[StockChanged]) -> None:
    await UPSERT.execute(tx, level=levels, now=utcnow())
