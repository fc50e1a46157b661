"""A stalled consumer is visible from outside, and so is its recovery."""

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
from service_kit.tests.messaging.shop import QUICK, Shop, eventually, paid, write_down

RED_WITHIN = 45.0


class Stuck:
    """A handler that waits for what doesn't come."""

    def __init__(self) -> None:
        self.waits, self.goes_on = asyncio.Event(), asyncio.Event()

        @consumes(OrderPaid)
        async def handler(tx: Transaction, event: OrderPaid, envelope: Envelope) -> None:
            if event.version == 2:
                self.waits.set()
                await self.goes_on.wait()
            await write_down(tx, event, envelope)

        self.handler = handler


async def _turns_red_and_green_again(shop: Shop, tuning: Tuning) -> float:
    """Seconds until it was red."""
    stuck, order = Stuck(), uuid4()
    listener = await shop.listen(stuck.handler, tuning=tuning)
    await shop.publish([paid(order, 1)])
    await shop.effects(1)
    await eventually(lambda: _is(listener, True), RED_WITHIN)
    await shop.publish([paid(order, 2)])
    await stuck.waits.wait()
    since = time.monotonic()
    await eventually(lambda: _is(listener, False), 2 * RED_WITHIN)
    seconds = time.monotonic() - since
    health = await listener.health()
    assert health.broker_reachable
    assert any("no progress" in problem for problem in health.problems), health.problems
    stuck.goes_on.set()
    assert await shop.effects(2) == [(order, 1), (order, 2)]
    await eventually(lambda: _is(listener, True), RED_WITHIN)
    return seconds


async def _is(listener: Messaging, ok: bool) -> bool:
    return (await listener.health()).ok is ok


async def test_a_stalled_consumer_is_unhealthy(shop: Shop) -> None:
    await _turns_red_and_green_again(
        shop, dataclasses.replace(QUICK, stalled_seconds=0.5, unhealthy_seconds=1.0, watch_seconds=0.2)
    )


@pytest.mark.long
async def test_a_stalled_consumer_is_unhealthy_in_time(shop: Shop) -> None:
    """With the numbers that services run on; twice the watch, for the lag must first be seen."""
    assert await _turns_red_and_green_again(shop, Tuning()) <= RED_WITHIN


def test_the_configured_times_keep_the_promised_limit() -> None:
    tuning = Tuning()
    assert tuning.unhealthy_seconds + 2 * tuning.watch_seconds < RED_WITHIN
