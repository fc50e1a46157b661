"""`FETCH_MAX_WAIT_MS` makes a consumer gather events, but does not delay a single one."""

import time
from uuid import uuid4

from contracts.events.order_notification import OrderPaid
from service_kit.database import Transaction
from service_kit.messaging import Envelope, consumes
from service_kit.tests.messaging.shop import Shop, eventually, paid, record_effect

PAUSE = 4.0


async def test_the_first_event_after_a_quiet_time_is_handled_at_once_and_later_ones_share_a_batch(shop: Shop) -> None:
    batches: list[tuple[float, int]] = []

    @consumes(OrderPaid, batch=True)
    async def handler(tx: Transaction, events: list[OrderPaid], envelopes: list[Envelope]) -> None:
        batches.append((time.monotonic(), len(events)))
        for event, envelope in zip(events, envelopes, strict=True):
            await record_effect(tx, event, envelope)

    consuming = await shop.start_consumer(handler, fetch_max_wait_ms=int(PAUSE * 1000))

    async def ready() -> bool:
        return bool(consuming.consumer and consuming.consumer.assignment)

    await eventually(ready)
    order = uuid4()
    sent = time.monotonic()
    await shop.publish([paid(order, 1)])
    await shop.effects(1)
    assert time.monotonic() - sent < PAUSE / 2
    for version in range(2, 12):  # sent one by one, so that only the consumer's pause can gather them
        await shop.publish([paid(order, version)])
    assert len(await shop.effects(11)) == 11
    assert [count for _, count in batches] == [1, 10]
    assert batches[1][0] - batches[0][0] >= 0.9 * PAUSE
