"""A failed event waits in the retry queue with later ones of its key, until it succeeds or staff resolve it."""

import asyncio
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI

from contracts.events.order_notification import OrderPaid
from service_kit.database import sessions
from service_kit.http.sessions import Transaction
from service_kit.messaging import Envelope, consumes, inbox, retry_queue
from service_kit.messaging.endpoints import router
from service_kit.security.principal import Principal
from service_kit.tests.messaging.shop import Shop, eventually, paid, record_effect

TOPIC = "order_notification"
QUEUE_EVENT = """
    INSERT INTO parked_events (event_id, topic, partition, "offset", key, type, headers, value, status)
    VALUES ($1, $2, 0, 0, $3, 'mart.order.paid.v1', '[]', '', 'dead')
"""
WAITERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


class Poison:
    """A handler that fails for one (order, version) until `cured` is set."""

    def __init__(self, order: UUID, version: int) -> None:
        self.order, self.version, self.cured = order, version, False
        self.attempts = 0

        @consumes(OrderPaid)
        async def handler(tx: Transaction, event: OrderPaid, envelope: Envelope) -> None:
            if (event.order_id, event.version) == (self.order, self.version):
                self.attempts += 1
                if not self.cured:
                    raise ValueError("indigestible")
            await record_effect(tx, event, envelope)

        self.handler = handler


async def is_dead(shop: Shop) -> None:
    async def dead() -> bool:
        return bool(await shop.value(shop.notifications, "SELECT count(*) FROM parked_events WHERE status = 'dead'"))

    await eventually(dead, what="a dead letter")


async def test_a_failing_event_delays_only_its_key_and_is_replayed_in_order(shop: Shop) -> None:
    bad, good = uuid4(), uuid4()
    poison = Poison(bad, 2)
    await shop.publish([paid(order, version) for version in (1, 2, 3, 4) for order in (bad, good)])
    await shop.start_consumer(poison.handler)
    effects = await shop.effects(5)
    assert [version for key, version in effects if key == good] == [1, 2, 3, 4]
    assert [version for key, version in effects if key == bad] == [1]

    await is_dead(shop)
    letter = (await shop.records(f"{TOPIC}.dlq", 1))[0]
    headers = dict(letter.headers)
    assert headers["attempts"] == b"3"
    assert b"indigestible" in headers["error"]
    assert letter.key == str(bad).encode()

    await shop.publish([paid(bad, 5)])  # it queues behind the others
    poison.cured = True
    async with shop.notifications.transaction() as tx:
        letters = await retry_queue.dead_letters(tx, after=0, limit=10)
        assert letters[0].key == str(bad)
        assert await retry_queue.replay(tx, letters[0].id)
    effects = await shop.effects(9)
    assert [version for key, version in effects if key == bad] == [1, 2, 3, 4, 5]
    await shop.publish([paid(bad, 6)])
    assert (await shop.effects(10))[-1] == (bad, 6)
    assert await shop.value(shop.notifications, "SELECT count(*) FROM parked_events") == 0


async def test_temporary_failures_are_never_dead_lettered(shop: Shop) -> None:
    order = uuid4()
    poison = Poison(order, 1)
    await shop.start_consumer(poison.handler)
    await shop.publish([paid(order, 1), paid(order, 2)])

    async def tried() -> bool:
        return poison.attempts >= 2

    await eventually(tried)
    poison.cured = True
    assert await shop.effects(2) == [(order, 1), (order, 2)]


async def test_a_locked_row_delays_its_key_only_and_costs_no_attempt(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attempt that ends with a lock time-out is not counted, however often that happens."""
    monkeypatch.setitem(sessions.LIMITS, "lock_timeout", "50ms")
    held, free = uuid4(), uuid4()
    attempts = 0

    @consumes(OrderPaid)
    async def handler(tx: Transaction, event: OrderPaid, envelope: Envelope) -> None:
        nonlocal attempts
        attempts += event.order_id == held
        await tx.execute("SELECT FROM gates WHERE key = $1 FOR UPDATE", event.order_id)
        await record_effect(tx, event, envelope)

    async with shop.notifications.connection() as connection:
        await connection.execute("CREATE TABLE gates AS SELECT unnest($1::uuid[]) AS key", [held, free])
    async with shop.notifications.transaction() as other:
        await other.execute("SELECT FROM gates WHERE key = $1 FOR UPDATE", held)
        await shop.publish([paid(order, version) for version in (1, 2, 3) for order in (held, free)])
        await shop.start_consumer(handler)
        assert await shop.effects(3) == [(free, 1), (free, 2), (free, 3)]
        before = attempts

        async def tried_often() -> bool:
            return attempts > before + 12 * 3

        await eventually(tried_often)
    assert (await shop.effects(6))[3:] == [(held, 1), (held, 2), (held, 3)]
    assert await shop.value(shop.notifications, "SELECT count(*) FROM parked_events") == 0


async def test_a_body_that_does_not_fit_its_type_is_queued_for_retry(shop: Shop) -> None:
    order = uuid4()
    await shop.start_consumer(Poison(order, 99).handler)
    broken = paid(order, 1).model_copy(update={"total": None})
    await shop.publish([broken, paid(order, 2)])
    await is_dead(shop)
    async with shop.notifications.transaction() as tx:
        [letter] = await retry_queue.dead_letters(tx, after=0, limit=10)
        assert "total" in (letter.error or "")
        assert await retry_queue.discard(tx, letter.id)
    assert await shop.effects(1) == [(order, 2)]


async def test_an_event_queues_behind_one_that_another_replica_queues_at_the_same_time(shop: Shop) -> None:
    """After a late rebalance two replicas have the same partition. The second one's claim waits for the first one's
    transaction, and must then check the retry queue."""
    order = uuid4()
    claimed, rest = await shop.publish([paid(order, version) for version in (1, 2)])
    async with shop.notifications.transaction() as former:
        assert await inbox.claim(former, TOPIC, [claimed])
        await former.execute(QUEUE_EVENT, claimed, TOPIC, str(order).encode())
        await shop.start_consumer(Poison(order, 0).handler)

        async def waits() -> bool:
            return bool(await shop.value(shop.notifications, WAITERS))

        await eventually(waits, what="a waiting claim")

    async def queued() -> bool:
        found = "SELECT array_agg(event_id ORDER BY id) FROM parked_events"
        return bool(await shop.value(shop.notifications, found) == [claimed, rest])

    await eventually(queued, what="the second event in the queue")
    assert await shop.value(shop.notifications, "SELECT count(*) FROM effects") == 0


async def test_several_replicas_retry_each_event_once_and_in_order(shop: Shop) -> None:
    orders = [uuid4() for _ in range(5)]
    failing = asyncio.Event()
    failing.set()

    @consumes(OrderPaid)
    async def handler(tx: Transaction, event: OrderPaid, envelope: Envelope) -> None:
        if failing.is_set() and event.version == 0:
            raise ValueError
        await record_effect(tx, event, envelope)

    first = await shop.start_consumer(handler)
    await shop.publish([paid(order, version) for version in range(8) for order in orders])

    async def queued() -> bool:
        return bool(await shop.value(shop.notifications, "SELECT count(*) FROM parked_events") == 40)

    await eventually(queued)
    failing.clear()
    others = [shop.another_pool(shop.notification_url) for _ in range(2)]
    tasks = []
    for database in others:
        retrier = type(first.retrier)(database, first.subscriptions, "/notification_service", first.tuning)
        tasks.append((retrier, asyncio.create_task(retrier.run())))
    async with shop.notifications.connection() as connection:
        await connection.execute("UPDATE parked_events SET status = 'waiting', attempts = 0, next_attempt_at = now()")
    effects = await shop.effects(40)
    for retrier, task in tasks:
        retrier.stop()
        await task
    assert len(effects) == 40
    for order in orders:
        assert [version for key, version in effects if key == order] == list(range(8))


async def test_staff_list_replay_and_discard_dead_letters(shop: Shop) -> None:
    orders = [uuid4(), uuid4(), uuid4()]

    @consumes(OrderPaid)
    async def never(tx: Transaction, event: OrderPaid) -> None:
        raise ValueError(event.number)

    await shop.start_consumer(never)
    await shop.publish([paid(order, version, "7" * 6_000) for version in (1, 2) for order in orders])

    async def all_dead() -> bool:
        sql = "SELECT count(*) FROM parked_events WHERE status = 'dead'"
        return bool(await shop.value(shop.notifications, sql) == 3)

    await eventually(all_dead)
    app = FastAPI()
    app.include_router(router)
    app.state.runtime = _Runtime(shop)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://x", headers={"Authorization": "Bearer t"}
    ) as client:
        page = (await client.get("/dead-letters", params={"limit": 2})).json()
        rest = (await client.get("/dead-letters", params={"limit": 2, "cursor": page["next"]})).json()
        items = page["items"] + rest["items"]
        assert {item["key"] for item in items} == set(map(str, orders))
        assert {item["behind"] for item in items} == {1}
        assert {len(item["value"]) for item in items} == {4_000}, "long values must be cut off"
        assert min(item["value_bytes"] for item in items) > 6_000
        for impossible in (0, -1, 2**63, 10**30, "x"):
            assert (await client.post(f"/dead-letters/{impossible}/replay")).status_code == 422
            assert (await client.post(f"/dead-letters/{impossible}/discard")).status_code == 422
        assert (await client.post(f"/dead-letters/{items[0]['id']}/discard")).status_code == 204
        assert (await client.post(f"/dead-letters/{items[1]['id']}/replay")).status_code == 202
        left = (await client.get("/dead-letters")).json()["items"]
        assert items[0]["id"] not in {item["id"] for item in left}


class _Runtime:
    """The parts of a runtime that the endpoints use."""

    def __init__(self, shop: Shop) -> None:
        self.database = shop.notifications
        self.tokens = self

    def verify(self, _: str) -> Principal:
        return Principal(uuid4(), frozenset({"dead-letters:manage"}), "token", 2**31)
