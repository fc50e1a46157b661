"""Every statement about availability."""

from collections.abc import Sequence

from contracts.events.stock_levels import StockChanged
from service_kit.clock import utcnow
from service_kit.database import Transaction

# Hot: one statement for a batch of one event per product. A copy never goes back to an older version, however often
# and in whatever order events come; a batch comes in ascending order of the ids, and so are the rows locked.
REMEMBER = """
INSERT INTO availability (product_id, on_hand, reserved, available, version, updated_at)
SELECT product_id, on_hand, reserved, available, version, $6
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
     AS level (product_id, on_hand, reserved, available, version)
ON CONFLICT (product_id) DO UPDATE
SET on_hand = excluded.on_hand, reserved = excluded.reserved, available = excluded.available,
    version = excluded.version, updated_at = excluded.updated_at
WHERE availability.version < excluded.version
"""


async def remember(tx: Transaction, levels: Sequence[StockChanged]) -> None:
    await tx.execute(
        REMEMBER,
        [level.product_id for level in levels],
        [level.on_hand for level in levels],
        [level.reserved for level in levels],
        [level.available for level in levels],
        [level.version for level in levels],
        utcnow(),
    )
