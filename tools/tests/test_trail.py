from datetime import UTC, datetime
from types import SimpleNamespace

from rich.console import Console

from tools.trail.report import Trail, table
from tools.trail.step import Step


def test_control_sequences_and_markup_of_customers_are_escaped() -> None:
    now = datetime.now(UTC)
    order = SimpleNamespace(number=1, id="x", created_at=now)
    console = Console(width=120)
    with console.capture() as shown:
        console.print(table(Trail(order, [Step(now, "order", "cancelled: [bold]\x1b[2J\x1b]0;owned\x07")], [], None)))
    assert "\x1b[2J" not in shown.get()
    assert r"[bold]\x1b[2J\x1b]0;owned\x07" in shown.get()
