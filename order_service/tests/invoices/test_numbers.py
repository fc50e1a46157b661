"""Numbers of invoices have no gap and no duplicate, whatever crashes (Directive 2006/112/EC, Article 226(2))."""

import asyncio
import signal
from collections import Counter
from pathlib import Path
from uuid import UUID

import pytest

from contracts.events.order_notification import InvoiceIssued
from order_service.settings import Settings
from order_service.tests.invoices import crashing
from order_service.tests.invoices.conftest import InvoicingShop
from service_kit.clock import utcnow

ORDERS, KILLS = 500, 37
pytestmark = pytest.mark.timeout(300)


async def _paid_at_once(shop: InvoicingShop) -> list[UUID]:
    ids = await shop.awaiting_payment(count=ORDERS)
    await asyncio.gather(*(shop.capture(id, 1200) for id in ids))
    return ids


def _arm(directory: Path, kill: int) -> None:
    """Alternately before and after the commit: what was issued is rolled back, or stays."""
    (directory / f"order.commit.{('before', 'after')[kill % 2]}").touch()


async def _kill(settings: Settings, directory: Path, kill: int) -> None:
    _arm(directory, kill)
    process = crashing.start(settings, directory=directory, at_a_time=7)
    await asyncio.to_thread(process.join, 60)
    assert process.exitcode == -signal.SIGKILL


async def _assert_each_has_one(shop: InvoicingShop, ids: list[UUID]) -> None:
    assert await shop.numbers(f"INV-{utcnow().year}") == list(range(1, ORDERS + 1))
    async with shop.runtime.database.connection() as connection:
        invoiced = [row[0] for row in await connection.fetch("SELECT order_id FROM invoices")]
    assert sorted(invoiced) == sorted(ids)
    issued = await shop.served.events(InvoiceIssued)
    assert len({event.invoice_number for event in issued}) == len(issued) == ORDERS
    assert await shop.execute("SELECT count(*) FROM invoice_requests") == 0


async def test_500_orders_are_paid_at_once_and_the_job_is_killed_37_times(shop: InvoicingShop, tmp_path: Path) -> None:
    ids = await _paid_at_once(shop)
    settings = shop.runtime.resource(Settings)
    for kill in range(KILLS):
        await _kill(settings, tmp_path, kill)
    issued = await shop.execute("SELECT count(*) FROM invoices")
    assert issued == KILLS // 2 * 7
    await shop.issue()
    await _assert_each_has_one(shop, ids)


async def test_two_processes_issue_at_once_while_they_are_killed(shop: InvoicingShop, tmp_path: Path) -> None:
    ids = await _paid_at_once(shop)
    settings, ends = shop.runtime.resource(Settings), Counter[int | None]()

    async def run() -> None:
        while await shop.execute("SELECT EXISTS (SELECT FROM invoice_requests)"):
            if ends[-signal.SIGKILL] < KILLS:
                _arm(tmp_path, ends.total())
            process = crashing.start(settings, directory=tmp_path, at_a_time=5)
            await asyncio.to_thread(process.join, 60)
            ends[process.exitcode] += 1

    await asyncio.gather(run(), run())
    assert set(ends) <= {0, -signal.SIGKILL}
    assert ends[-signal.SIGKILL] >= 10
    await _assert_each_has_one(shop, ids)


async def test_a_transaction_that_fails_gives_its_numbers_back(shop: InvoicingShop) -> None:
    [first] = await shop.awaiting_payment()
    await shop.pay(first)
    await shop.execute("ALTER TABLE invoice_recipients ADD CONSTRAINT full_disk CHECK (false) NOT VALID")
    with pytest.raises(Exception, match="full_disk"):
        await shop.issue()
    await shop.execute("ALTER TABLE invoice_recipients DROP CONSTRAINT full_disk")
    await shop.issue()
    assert await shop.numbers(f"INV-{utcnow().year}") == [1]


async def test_invoices_are_numbered_by_year(shop: InvoicingShop) -> None:
    await shop.execute("INSERT INTO invoice_series (id, prefix, year, next) VALUES ('INV-2001', 'INV', 2001, 90)")
    order_id = await shop.invoiced()
    [invoice] = await shop.invoices(order_id)
    assert invoice["number"] == f"INV-{utcnow().year}-000001"
    assert await shop.execute("SELECT next FROM invoice_series WHERE id = 'INV-2001'") == 90
