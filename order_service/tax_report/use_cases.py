"""Adds up the taxes of a period by month, country and rate."""

from collections import defaultdict
from collections.abc import Mapping
from uuid import UUID

from order_service.tax_report import queries
from order_service.tax_report.models import Key, RefundedOrder, Sums
from order_service.tax_report.queries import Wanted
from service_kit.database import Connection

BATCH = 100
SALES, REFUNDS = "sales", "refunds"


async def report(connection: Connection, wanted: Wanted) -> list[tuple[Key, Sums]]:
    """Sales and refunds apart, sorted by month, country and rate; the refunds' amounts are positive, too."""
    found: defaultdict[Key, Sums] = defaultdict(Sums)
    for row in await queries.sales(connection, wanted):
        found[Key(kind=SALES, **{name: row[name] for name in Key._fields if name != "kind"})].add(
            row["gross"], row["tax"]
        )
    after = UUID(int=0)
    while ids := await queries.refunded(connection, wanted, after, BATCH):
        for order in await queries.refunded_orders(connection, wanted, ids):
            _add_refunds(found, order, wanted)
        after = ids[-1]
    return sorted(
        found.items(), key=lambda row: (*row[0][:3], -row[0].rate, row[0].tax_note or "", row[0].kind != SALES)
    )


def _add_refunds(found: Mapping[Key, Sums], order: RefundedOrder, wanted: Wanted) -> None:
    for at, parts in order.refunds():
        if wanted.since <= at < wanted.until:
            for part in parts:
                key = Key(f"{at:%Y-%m}", order.country, order.currency, part.rate, order.tax_note, REFUNDS)
                found[key].add(part.gross, part.tax)
