"""Events that cannot be handled become dead letters within a minute; only later events of their keys wait."""

import asyncio
import dataclasses
import math
import time
from collections.abc import Sequence
from statistics import median
from uuid import UUID, uuid4

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from fastapi import FastAPI

from contracts.events.order_notification import OrderPaid
from contracts.topics import MAX_RECORD_BYTES, USERS
from service_kit.clock import utcnow
from service_kit.http.problem_responses import add_error_handlers
from service_kit.http.sessions import Transaction
from service_kit.ids import uuid7
from service_kit.messaging import Envelope, consumes
from service_kit.messaging.endpoints import router
from service_kit.messaging.envelope import encode
from service_kit.messaging.tuning import Tuning
from service_kit.tests.messaging.shop import BACKOFF, QUICK, Shop, erased, eventually, paid, record_effect
from service_kit.tests.messaging.test_consumer import snapshot
from service_kit.tests.messaging.test_retry_queue import Poison, _Runtime

TOPIC = "order_notification"
DEAD_WITHIN = 60.0
DEAD = "SELECT count(*) FROM parked_events WHERE status = 'dead'"
FIVE = dataclasses.replace(QUICK, backoff=dataclasses.replace(BACKOFF, attempts=Tuning().backoff.attempts))


def envelope(type: str = OrderPaid.type) -> list[tuple[str, bytes]]:
    return encode(Envelope(uuid7(), type, "/order_service", "subject", utcnow()))


async def _all_kinds(shop: Shop, tuning: Tuning) -> None:
    """Sends a malformed record, one of a foreign type, one with an invalid body, and one whose handler raises."""
    broken, strange, bad, good = (uuid4() for _ in range(4))
    poison = Poison(bad, 2)
    began = time.monotonic()
    async with AIOKafkaProducer(bootstrap_servers=shop.kafka) as producer:
        await shop.send(producer, TOPIC, str(broken), b'{"order_id": ', envelope())
        await shop.send(producer, TOPIC, str(broken), b"{}", envelope("com.example.thing"))
        await shop.send(producer, TOPIC, str(strange), b'{"order_id": "no id"}', envelope())
    events = [paid(order, version) for version in (1, 2, 3) for order in (bad, good, strange, broken)]
    await shop.publish(events)
    await shop.start_consumer(poison.handler, tuning=tuning)
    first = await shop.effects(7, seconds=DEAD_WITHIN)
    assert [version for key, version in first if key in (good, broken)].count(3) == 2

    async def both_dead() -> bool:
        return bool(await shop.value(shop.notifications, DEAD) == 2)

    await eventually(both_dead, DEAD_WITHIN, "two dead letters after the last attempt")
    letters = await shop.records(f"{TOPIC}.dlq", 4)
    assert time.monotonic() - began < DEAD_WITHIN
    attempts = {(letter.key.decode(), dict(letter.headers)["attempts"]) for letter in letters}
    assert attempts == {(str(broken), b"1"), (str(strange), b"5"), (str(bad), b"5")}
    assert poison.attempts == 5
    assert [version for key, version in await shop.effects(7) if key in (bad, strange)] == [1]  # later ones wait

    poison.cured = True
    await _resolve(shop, replay=bad, discard=strange)
    effects = await shop.effects(len(events))
    for order in (bad, good, strange, broken):
        assert [version for key, version in effects if key == order] == [1, 2, 3], "each once and in order"


async def _resolve(shop: Shop, *, replay: UUID, discard: UUID) -> None:
    app = FastAPI()
    app.include_router(router)
    add_error_handlers(app)
    app.state.runtime = _Runtime(shop)
    staff = httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://x", headers={"Authorization": "Bearer t"}
    )
    async with staff:
        listed = {item["key"]: item for item in (await staff.get("/dead-letters")).json()["items"]}
        assert (listed[str(replay)]["behind"], listed[str(discard)]["behind"]) == (1, 3)
        assert (await staff.post(f"/dead-letters/{listed[str(replay)]['id']}/replay")).status_code == 202
        assert (await staff.post(f"/dead-letters/{listed[str(discard)]['id']}/discard")).status_code == 204
        again = await staff.post(f"/dead-letters/{listed[str(replay)]['id']}/replay")
        assert again.status_code == 404, "a replayed event is no dead letter any more"


async def test_each_kind_of_poison_becomes_a_dead_letter_that_staff_can_resolve(shop: Shop) -> None:
    await _all_kinds(shop, FIVE)


@pytest.mark.long
async def test_each_kind_of_poison_becomes_a_dead_letter_in_time(shop: Shop) -> None:
    """This uses the pauses between attempts that services have in production."""
    await _all_kinds(shop, Tuning())


async def test_the_largest_record_of_a_topic_fits_into_its_dead_letter_topic(shop: Shop) -> None:
    user = uuid4()
    headers = envelope("com.example.thing")
    room = MAX_RECORD_BYTES - sum(len(name) + len(value) + 8 for name, value in headers) - 200
    async with AIOKafkaProducer(bootstrap_servers=shop.kafka, max_request_size=MAX_RECORD_BYTES + 1000) as producer:
        await shop.send(producer, USERS.name, str(user), b"x" * room, headers)
    await shop.publish([erased(user, 1)])
    await shop.start_consumer(snapshot)
    assert await shop.effects(1) == [(user, 1)]
    await shop.start_publisher(shop.another_pool(shop.notification_url))
    [letter] = await shop.records(f"{USERS.name}.dlq", 1)
    assert len(letter.value) == room
    assert b"com.example.thing" in dict(letter.headers)["error"]


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_poison_hardly_delays_other_keys(shop: Shop) -> None:
    """The p99 latency of other keys stays below twice the usual one. Medians of alternating rounds are compared."""
    published: dict[UUID, float] = {}
    failing: set[UUID] = set()

    @consumes(OrderPaid)
    async def handler(tx: Transaction, event: OrderPaid, envelope: Envelope) -> None:
        if event.order_id in failing:
            raise ValueError("failing")
        await record_effect(tx, event, envelope)
        published[event.order_id] = time.monotonic()

    await shop.start_consumer(handler, tuning=Tuning())
    await _latencies(shop, published, [])
    calm, beside = [], []
    for _ in range(5):
        calm.append(_p99(await _latencies(shop, published, [])))
        failing.add(bad := uuid4())
        beside.append(_p99(await _latencies(shop, published, [bad] * 20)))
    assert median(beside) < 2 * median(calm), (calm, beside)


async def _latencies(shop: Shop, published: dict[UUID, float], poison: Sequence[UUID]) -> list[float]:
    """The latencies of 500 events, one each 10 ms, every 25th of which may be poison."""
    sent: dict[UUID, float] = {}
    async with AIOKafkaProducer(bootstrap_servers=shop.kafka) as producer:
        for number in range(500):
            order = poison[number // 25] if poison and number % 25 == 0 else uuid4()
            event = paid(order, number)
            if order not in poison:
                sent[order] = time.monotonic()
            await shop.send(producer, TOPIC, str(order), event.model_dump_json().encode(), envelope())
            await asyncio.sleep(0.01)

    async def all_handled() -> bool:
        return sent.keys() <= published.keys()

    await eventually(all_handled)
    return sorted(published[order] - moment for order, moment in sent.items())


def _p99(values: list[float]) -> float:
    return values[math.ceil(0.99 * len(values)) - 1]
