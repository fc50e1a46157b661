"""Metrics of orders: counted once, and only what was committed."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from prometheus_client import REGISTRY

from contracts.events import inventory_deduction as answers
from order_service.orders import queries
from order_service.orders.lifecycle import Cause, Trigger
from order_service.orders.models import Actor, Status
from order_service.payments import refunds
from order_service.tests.conftest import Shop
from service_kit.clock import utcnow


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def by_status() -> dict[str, float]:
    return {status: value("orders_total", status=status) for status in Status}


class Increase:
    """By how much the metrics have grown since it was made: all tests of a process share them."""

    def __init__(self) -> None:
        self._before = self._now()

    @staticmethod
    def _now() -> dict[str, float]:
        return {
            **by_status(),
            "revenue": value("order_revenue_minor_total", currency="GBP"),
            "decisions": value("order_decision_seconds_count"),
            "seconds": value("order_decision_seconds_sum"),
        }

    @property
    def found(self) -> dict[str, float]:
        grown = {name: after - self._before[name] for name, after in self._now().items()}
        return {name: each for name, each in grown.items() if each and name != "seconds"}

    @property
    def seconds(self) -> float:
        return self._now()["seconds"] - self._before["seconds"]


async def test_each_status_that_an_order_enters_is_counted(shop: Shop) -> None:
    increase = Increase()
    await shop.paid()
    assert increase.found == {"pending": 1, "awaiting_payment": 1, "paid": 1, "revenue": 2000, "decisions": 1}


async def test_a_rejected_order_is_decided_and_no_revenue(shop: Shop) -> None:
    order_id, increase = await shop.placed(), Increase()
    await shop.execute("UPDATE orders SET status_since = now() - interval '42 seconds'")
    await shop.deliver(answers.ReservationRejected(order_id=order_id, version=1, lines=[]))
    assert increase.found == {"rejected": 1, "decisions": 1}
    assert 42 <= increase.seconds < 60


async def test_an_order_cancelled_by_its_customer_was_not_decided(shop: Shop) -> None:
    order_id, increase = await shop.placed(), Increase()
    assert (await shop.customer.post(f"/orders/{order_id}/cancel", json={})).status_code == 200
    assert increase.found == {"cancelled": 1}


async def test_a_duplicate_request_is_one_order(shop: Shop) -> None:
    product, increase = await shop.product(), Increase()
    for _ in range(2):
        assert (await shop.place(product, key="the same")).status_code == 201
    assert increase.found == {"pending": 1}


async def test_a_transaction_that_fails_counts_nothing(shop: Shop) -> None:
    order_id, increase = await shop.accepted(), Increase()
    with suppress(ZeroDivisionError):
        async with shop.runtime.database.transaction() as tx:
            order = await queries.lock(tx, order_id)
            assert order is not None
            order.move(Trigger.CANCEL, Cause(utcnow(), Actor.CUSTOMER))
            await refunds.save(tx, [order])
            raise ZeroDivisionError
    assert increase.found == {}


async def test_an_order_that_is_paid_again_is_revenue_once(shop: Shop) -> None:
    order_id, increase = await shop.paid(), Increase()
    assert (await shop.customer.post(f"/orders/{order_id}/cancel", json={})).status_code == 202
    await shop.deliver(answers.ReleaseRefused(order_id=order_id, version=2, reason="it has been packed"))
    assert await shop.status(order_id) == "paid"
    assert increase.found == {"cancelling": 1, "paid": 1}


def placing_seconds() -> float:
    return value("http_request_duration_seconds_sum", method="POST", route="/orders")


async def test_the_time_that_a_client_asked_to_wait_is_not_in_the_request_duration(shop: Shop) -> None:
    product, before = await shop.product(), placing_seconds()
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert (await shop.place(product, prefer="wait=2")).status_code == 201
    assert loop.time() - began >= 2
    assert placing_seconds() - before < 1.9


@pytest.mark.parametrize(("pool", "setting"), [("sessions", "session_pool_size"), ("asyncpg", "asyncpg_pool_size")])
async def test_the_size_of_each_pool_is_told(shop: Shop, pool: str, setting: str) -> None:
    size: Any = getattr(shop.runtime.settings, setting)
    assert value("database_connections_max", pool=pool) == size
