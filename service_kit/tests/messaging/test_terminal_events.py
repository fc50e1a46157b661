"""A terminal event does not wait for earlier failures of its key, and deletes them."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

from contracts.events.users import UserChanged, UserErased
from service_kit.database import Transaction
from service_kit.messaging import Envelope, consumes, retry_queue
from service_kit.tests.messaging.shop import Shop, erased, eventually, record_effect
from service_kit.tests.messaging.test_consumer import snapshot

KEYS = "SELECT convert_from(key, 'UTF8') || ' ' || status FROM parked_events ORDER BY id"
ALL = "SELECT row_to_json(t)::text FROM (TABLE {table}) AS t"
WAITERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def known(user_id: UUID, version: int, word: str) -> UserChanged:
    return UserChanged(
        user_id=user_id, version=version, email=f"{word}@example.com", full_name=word, roles=["User"],
        email_verified=True, active=True,
    )  # fmt: skip


@consumes(UserChanged)
async def never(tx: Transaction, event: UserChanged) -> None:
    raise ValueError(f"no room for {event.full_name}")


async def blocked_keys(shop: Shop) -> list[str]:
    async with shop.notifications.connection() as connection:
        return [row[0] for row in await connection.fetch(KEYS)]


async def queue_becomes(shop: Shop, *wanted: str) -> None:
    async def is_so() -> bool:
        return await blocked_keys(shop) == list(wanted)

    await eventually(is_so, what=f"retry queue: {wanted}")


async def tables_with(shop: Shop, word: str) -> list[str]:
    """The tables of messaging that contain the word. PostgreSQL shows bytes as hexadecimal digits."""
    found = []
    async with shop.notifications.connection() as connection:
        for table in ("parked_events", "outbox", "inbox"):
            rows = [row[0] for row in await connection.fetch(ALL.format(table=table))]
            found += [table for row in rows if word in row or word.encode().hex() in row]
    return found


async def test_an_erasure_does_not_wait_for_dead_letters_and_deletes_them(shop: Shop) -> None:
    ada, bob, word = uuid4(), uuid4(), f"canary{uuid4().hex[:8]}"
    await shop.publish([known(ada, 1, word), known(ada, 2, word), known(bob, 1, "bob")])
    await shop.start_consumer(never, snapshot)
    await shop.records("users.dlq", 2)  # both became dead letters

    async def published() -> bool:
        unpublished = "SELECT count(*) FROM outbox WHERE published_at IS NULL"
        return bool(await shop.value(shop.notifications, unpublished) == 0)

    await eventually(published)
    assert set(await tables_with(shop, word)) == {"parked_events", "outbox"}

    await shop.publish([erased(ada, 3)])
    assert await shop.effects(1) == [(ada, 3)]
    await queue_becomes(shop, f"{bob} dead")
    assert await tables_with(shop, word) == []
    assert await tables_with(shop, "bob@example.com") == ["parked_events", "outbox"]
    async with shop.notifications.transaction() as tx:
        [letter] = await retry_queue.dead_letters(tx, after=0, limit=10)
        assert await retry_queue.replay(tx, letter.id)
    await shop.publish([erased(ada, 4)])  # a terminal event may be published again
    assert await shop.effects(2) == [(ada, 3), (ada, 4)]


async def test_terminal_events_do_not_wait_for_failed_ones_and_keep_their_order(shop: Shop) -> None:
    ada = uuid4()
    await shop.publish([known(ada, 1, "ada"), known(ada, 2, "ada"), erased(ada, 3), erased(ada, 4)])
    await shop.start_consumer(never, snapshot)
    assert await shop.effects(2) == [(ada, 3), (ada, 4)]
    await queue_becomes(shop)


async def test_earlier_events_stay_until_the_terminal_event_takes_effect(shop: Shop) -> None:
    ada, cured = uuid4(), asyncio.Event()

    @consumes(UserErased)
    async def forget(tx: Transaction, event: UserErased, envelope: Envelope) -> None:
        if not cured.is_set():
            raise ValueError
        await record_effect(tx, event, envelope)

    await shop.publish([known(ada, 1, "ada"), erased(ada, 2), erased(ada, 3)])
    await shop.start_consumer(never, forget)
    await queue_becomes(shop, f"{ada} dead", f"{ada} dead", f"{ada} waiting")
    cured.set()
    async with shop.notifications.transaction() as tx:
        letters = await retry_queue.dead_letters(tx, after=0, limit=10)
        assert await retry_queue.replay(tx, letters[1].id)
    assert await shop.effects(2) == [(ada, 2), (ada, 3)]
    await queue_becomes(shop)


async def test_a_terminal_event_waits_for_an_event_being_handled(shop: Shop) -> None:
    """Otherwise the effects of that event would be committed after the erasure, and stay."""
    ada, being_handled, may_continue = uuid4(), asyncio.Event(), asyncio.Event()
    attempts = 0

    @consumes(UserChanged)
    async def slow(tx: Transaction, event: UserChanged, envelope: Envelope) -> None:
        nonlocal attempts
        attempts += 1
        if attempts <= 2:  # the first attempt is in its batch, the second alone
            raise ValueError
        being_handled.set()
        await may_continue.wait()
        await record_effect(tx, event, envelope)

    await shop.publish([known(ada, 1, "ada")])
    first: Any = await shop.start_consumer(slow, snapshot)
    await being_handled.wait()
    await shop.publish([erased(ada, 2)])
    other = type(first.retrier)(
        shop.another_pool(shop.notification_url), first.subscriptions, "/notification_service", first.tuning
    )
    running = asyncio.create_task(other.run())

    async def waits() -> bool:
        return bool(await shop.value(shop.notifications, WAITERS))

    await eventually(waits, what="the other replica waiting for the lock")
    assert await shop.value(shop.notifications, "SELECT count(*) FROM effects") == 0
    may_continue.set()
    assert await shop.effects(2) == [(ada, 1), (ada, 2)]
    other.stop()
    await running
    await queue_becomes(shop)
