"""The results of a run, as tables and as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from tools.replay.books import DELIVERED, REJECTED, Books
from tools.replay.orders import Run
from tools.replay.reconciliation import Mismatch
from tools.replay.sales import Sales

MISMATCHES_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Report:
    """`rows` have the name, title and value of each figure, of this run alone; `phases` have seconds by title."""

    rows: Sequence[tuple[str, str, Any]]
    mismatches: list[Mismatch]
    phases: dict[str, float]

    @property
    def figures(self) -> dict[str, Any]:
        return {name: value for name, _, value in self.rows}

    @property
    def json(self) -> str:
        return json.dumps(self.figures)

    def table(self) -> Table:
        table = Table("What", title="Replay: the file and the five services' books", title_justify="left")
        table.add_column("", justify="right")
        for name, title, value in self.rows:
            table.add_row(title, _written(name, value))
        for phase, seconds in self.phases.items():
            table.add_row(f"[dim]{phase}[/dim]", f"[dim]{seconds:,.1f} s[/dim]")
        return table

    def mismatch_table(self) -> Table:
        shown = self.mismatches[:MISMATCHES_SHOWN]
        more = len(self.mismatches) - len(shown)
        caption = f"and {more:,} more" if more else None
        table = Table("Mismatch", "Expected", "Found", title="Mismatches", caption=caption, title_justify="left")
        for each in shown:
            table.add_row(each.what, each.expected, each.found)
        return table


def report(
    sales: Sales,
    run: Run,
    books: Books,
    mismatches: Sequence[Mismatch],
    phases: dict[str, float],
    failed: Mapping[str, int],
) -> Report:
    statuses = [order["status"] for order in books.orders.values()]
    figures = (
        ("orders", "Orders submitted", len(sales.invoices)),
        ("lines", "Lines", sum(1 for _ in sales.lines)),
        ("units", "Units", sales.units),
        ("revenue_minor", "Revenue submitted", sales.revenue),
        ("skipped", "Lines of the file skipped", sales.skipped),
        ("delivered", "Orders delivered", sum(status in DELIVERED for status in statuses)),
        ("rejected", "Orders rejected for lack of stock", statuses.count(REJECTED)),
        ("payments_captured_minor", "Payments captured", books.captured.total()),
        ("units_before", "Units in stock before", books.before.units),
        ("units_received", "Units received", books.received.total()),
        ("units_deducted", "Units deducted", books.deducted.total()),
        ("units_left", "Units left", books.after.units),
        ("notifications", "Notifications in inboxes", sum(kinds.total() for kinds in books.notified.values())),
        ("mismatches", "Mismatches", len(mismatches)),
        ("failed_requests", "Requests without a response or with a 5xx, repeated", dict(failed)),
        ("seconds", "Seconds, from the first order placed to the last delivered", round(run.seconds, 2)),
        (
            "orders_per_second",
            "Orders per second, from placed to delivered",
            round(len(sales.invoices) / max(run.seconds, 0.001), 1),
        ),
    )
    return Report(figures, list(mismatches), phases)


def _written(name: str, value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{reason} {count:,}" for reason, count in value.items()) or "0"
    if name.endswith("_minor"):
        return f"£{value / 100:,.2f}"
    return f"{value:,}"
