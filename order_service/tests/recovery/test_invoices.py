"""A restored database has the invoices that were issued since, under their numbers, and gives none of these again."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from order_service.invoices import jobs
from order_service.tests.invoices.stored import SELLER
from order_service.tests.payments.conftest import API_KEY, SECRET, GatewayProcess, Shop, gateway
from order_service.tests.recovery.test_recovery import Life
from service_kit.clock import utcnow
from service_kit.database import Database
from tests.harness.recovery import recover, restored_database
from tests.harness.service import serve

__all__ = ["gateway"]

ISSUED = """
SELECT id, series, number, order_id, kind, cause, content, currency, total, tax, r.content AS recipient
FROM invoices JOIN invoice_recipients r ON r.invoice_id = id ORDER BY series, number
"""


async def _issued(database: Database) -> list[dict[str, Any]]:
    async with database.connection() as connection:
        return [dict(row) for row in await connection.fetch(ISSUED.replace("content,", "invoices.content,", 1))]


async def _next(database: Database) -> dict[str, int]:
    async with database.connection() as connection:
        return dict(await connection.fetch("SELECT id, next FROM invoice_series"))


@pytest.fixture
async def life(gateway: GatewayProcess) -> AsyncIterator[Life]:
    settings = {"gateway_api_key": API_KEY, "gateway_webhook_secret": SECRET, "gateway_timeout_seconds": 5, **SELLER}
    async with serve("order_service", gateway_url=gateway.process.url, **settings) as served:
        await jobs.apply_policy(served.runtime)
        life = Life(Shop(served, gateway))
        await life.open()
        yield life


@pytest.fixture
async def restored() -> AsyncIterator[Database]:
    async with restored_database("order_service") as database:
        yield database


async def test_invoices_and_credit_notes_keep_their_numbers(life: Life, restored: Database) -> None:
    for _ in range(2):
        _, payment_id = await life.paid()
        await jobs.issue(life.shop.runtime)
        for amount in (100, 250):
            await life.shop.refund(payment_id, amount)
            await life.shop.carry_out_refunds()
            await jobs.issue(life.shop.runtime)

    journal = await recover(life.shop.runtime, restored, life.others)
    assert not [what for what in journal.found if "not " in what], journal.found
    assert len(await _issued(restored)) == 6
    assert await _issued(restored) == await _issued(life.shop.runtime.database)
    assert await _next(restored) == {f"INV-{utcnow().year}": 3, f"CN-{utcnow().year}": 5}


async def test_the_number_of_an_invoice_that_is_lost_is_not_given_again(life: Life, restored: Database) -> None:
    await life.paid()
    await jobs.issue(life.shop.runtime)
    async with life.shop.runtime.database.connection() as connection:
        await connection.execute("DELETE FROM outbox WHERE type = 'mart.order.placed.v1'")
    journal = await recover(life.shop.runtime, restored, life.others)
    number = f"INV-{utcnow().year}-000001"
    assert journal.lists["invoices that can't be made again: their numbers are not given again"] == [number]
    assert await _next(restored) == {f"INV-{utcnow().year}": 2}
