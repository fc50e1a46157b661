"""The whole run: prepare, receive, replay, reconcile."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from local_stack.errors import StackError
from local_stack.parts import SERVICES
from local_stack.shop import Shop
from tools import container_secrets
from tools.accounts import Account
from tools.api import Api, connections
from tools.replay import books as ledgers
from tools.replay import preparation, reconciliation
from tools.replay.orders import Replayer
from tools.replay.report import Report, report
from tools.replay.sales import Sales

Advance = Callable[[int], None]
LINES = 10
"""The number of lines that show the progress of one count if there is no terminal."""


@dataclass(frozen=True)
class Staff:
    """The services' URLs, and an account with all permissions that a replay needs."""

    urls: Mapping[str, str]
    account: Account

    @classmethod
    def of(cls, shop: Shop) -> "Staff":
        """The shop's first Admin."""
        urls = {service.name: shop.url(service.name) for service in SERVICES}
        return cls(urls, Account.of(shop.settings, "Admin"))

    @classmethod
    def with_secrets(cls, directory: Path, urls: Mapping[str, str]) -> "Staff":
        """The first Admin of services that run elsewhere, with the secrets that `container_secrets` made for them."""
        return cls(urls, Account.of(container_secrets.settings(directory), "Admin"))


class ProgressDisplay:
    """Shows progress: bars on a terminal; elsewhere, a line for each phase and for each tenth of a count."""

    def __init__(self, console: Console) -> None:
        bar = (TextColumn("{task.description:<30}"), BarColumn(), MofNCompleteColumn())
        self.progress = Progress(*bar, TaskProgressColumn(), TimeElapsedColumn(), console=console)
        self.phases: dict[str, float] = {}
        self._started = time.monotonic()

    def bar(self, title: str, total: int) -> Advance:
        if not self.progress.console.is_terminal:
            return self._lines(title, total)
        task = self.progress.add_task(title, total=total)
        return lambda count: self.progress.advance(task, count)

    def _lines(self, title: str, total: int) -> Advance:
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            before, done = done, done + count
            if done * LINES // max(total, 1) > before * LINES // max(total, 1):
                self._line(f"{title}: {done} of {total}")

        return advance

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        started = time.monotonic()
        if not self.progress.console.is_terminal:
            self._line(f"{title} ...")
        yield
        self.phases[title] = time.monotonic() - started

    def _line(self, text: str) -> None:
        self.progress.console.print(f"{time.monotonic() - self._started:6.1f} s  {text}")


def stock_factor(text: str) -> Fraction:
    """Raises: StackError."""
    try:
        factor = Fraction(text)
    except (ValueError, ZeroDivisionError):
        factor = Fraction(-1)
    if factor < 0:
        raise StackError(f"STOCK={text}: give a number that is not negative, such as 1.0, 0.8 or 0.")
    return factor


def replay(staff: Staff, sold: Sales, factor: Fraction, console: Console, tax: str = "") -> Report:
    """Raises: ApiError, ApiUnreachable."""
    show = ProgressDisplay(console)
    with show.progress, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_replay(staff, sold, factor, show, tax))


async def _replay(staff: Staff, sold: Sales, factor: Fraction, show: ProgressDisplay, tax: str) -> Report:
    products = sold.products()
    customers = {preparation.email_of(invoice) for invoice in sold.invoices}
    began = datetime.now(UTC)
    async with connections() as http:
        api = Api(http, staff.urls, staff.account.email, staff.account.password)
        with show.phase("Products, customers, stock"):
            bars = show.bar("Products", len(products)), show.bar("Customers", len(customers))
            ready = await preparation.prepare(api, products, sold.invoices, *bars, tax)
            before = await ledgers.read_stock(api, set(ready.products.values()))
            receipts = await preparation.receive(api, ready, products, factor)
        with show.phase("Orders"):
            replayer = Replayer(api, ready, sold.invoices, show.bar("Orders", len(sold.invoices)))
            run = await replayer.replay()
        with show.phase("Reconciling"):
            parcels = {order_id: progress.shipments for order_id, progress in run.by_order.items()}
            scope = ledgers.Scope(parcels, receipts, set(ready.products.values()), began, quotes=bool(tax))
            books = await ledgers.read_books(api, scope, before, show.bar("Inboxes", len(customers)))
            found = reconciliation.mismatches(run, ready, books)
    return report(sold, run, books, found, show.phases, api.failed)
