"""The health check reports a stalled consumer, and its recovery."""

import asyncio
import dataclasses
import time
from uuid import uuid4

import pytest

from contracts.events.order_notification import OrderPaid
from service_kit.database import Transaction
from service_kit.messaging import Envelope, consumes
from service_kit.messaging.service import Messaging
from service_kit.messaging.tuning import Tuning
from service_kit.tests.messaging.shop import QUICK, Shop, eventually, paid, record_effect

UNHEALTHY_WITHIN = 45.0


class Stuck:
    """A handler that waits for the test at version 2."""

    def __init__(self) -> None:
        self.waits, self.may_continue = asyncio.Event(), asyncio.Event()

        @consumes(OrderPaid)
        async def handler(tx: Transaction, event: OrderPaid, envelope: Envelope) -> None:
            if event.version == 2:
                self.waits.set()
                await self.may_continue.wait()
            await record_effect(tx, event, envelope)

        self.handler = handler


async def _stall_and_recover(shop: Shop, tuning: Tuning) -> float:
    """Stalls the consumer and lets it recover. Returns the seconds until it was unhealthy."""
    stuck, order = Stuck(), uuid4()
    consuming = await shop.start_consumer(stuck.handler, tuning=tuning)
    await shop.publish([paid(order, 1)])
    await shop.effects(1)
    await eventually(lambda: _is(consuming, True), UNHEALTHY_WITHIN)
    await shop.publish([paid(order, 2)])
    await stuck.waits.wait()
    since = time.monotonic()
    await eventually(lambda: _is(consuming, False), 2 * UNHEALTHY_WITHIN)
    seconds = time.monotonic() - since
    health = await consuming.health()
    assert health.broker_reachable
    assert any("no progress" in problem for problem in health.problems), health.problems
    stuck.may_continue.set()
    assert await shop.effects(2) == [(order, 1), (order, 2)]
    await eventually(lambda: _is(consuming, True), UNHEALTHY_WITHIN)
    return seconds


async def _is(consuming: Messaging, ok: bool) -> bool:
    return (await consuming.health()).ok is ok


async def test_a_stalled_consumer_is_unhealthy(shop: Shop) -> None:
    await _stall_and_recover(
        shop, dataclasses.replace(QUICK, stalled_seconds=0.5, unhealthy_seconds=1.0, watch_seconds=0.2)
    )


@pytest.mark.long
async def test_a_stalled_consumer_is_unhealthy_in_time(shop: Shop) -> None:
    """This uses the times that services have in production."""
    assert await _stall_and_recover(shop, Tuning()) <= UNHEALTHY_WITHIN


def test_the_configured_times_keep_the_promised_limit() -> None:
    tuning = Tuning()
    assert tuning.unhealthy_seconds + 2 * tuning.watch_seconds < UNHEALTHY_WITHIN
