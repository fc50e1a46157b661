"""A consumed event takes effect once, and in the order of its key, despite duplicates and failures."""

import asyncio
import dataclasses
import random
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import CommitFailedError
from prometheus_client import REGISTRY
from sqlalchemy import make_url

from contracts.events.order_notification import OrderPaid
from contracts.events.users import UserErased
from service_kit.clock import utcnow
from service_kit.database import Session, Transaction
from service_kit.database.administration import administration
from service_kit.database.statements import Statement
from service_kit.ids import uuid7
from service_kit.messaging import Envelope, consumes, outbox
from service_kit.messaging.envelope import Record, encode
from service_kit.messaging.processing import Processor
from service_kit.messaging.subscriptions import gather
from service_kit.tests.messaging.shop import QUICK, Shop, erased, eventually, paid, record_effect

TOPIC = "order_notification"


@consumes(OrderPaid)
async def one_by_one(tx: Transaction, event: OrderPaid, envelope: Envelope) -> None:
    await record_effect(tx, event, envelope)


@consumes(OrderPaid, batch=True)
async def in_batches(tx: Transaction, events: list[OrderPaid], envelopes: list[Envelope]) -> None:
    for event, envelope in zip(events, envelopes, strict=True):
        await record_effect(tx, event, envelope)


@consumes(OrderPaid)
async def by_session(tx: Session, event: OrderPaid, envelope: Envelope) -> None:
    insert = Statement("INSERT INTO effects (event_id, key, version) VALUES (:id, :event.order_id, :event.version)")
    await insert.execute(tx, id=envelope.id, event=event)


@consumes(UserErased)
async def snapshot(tx: Transaction, event: UserErased, envelope: Envelope) -> None:
    await record_effect(tx, event, envelope)


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.mark.parametrize("handler", [one_by_one, in_batches, by_session])
async def test_shuffled_duplicates_take_effect_once_and_in_order(shop: Shop, handler: Any) -> None:
    orders = [uuid4() for _ in range(10)]
    events = [paid(order, version) for version in range(1, 6) for order in orders]
    ids = [uuid7() for _ in events]
    firsts = list(zip(events, ids, strict=True))
    again = firsts * 2
    random.shuffle(again)
    await shop.publish(*map(list, zip(*firsts, strict=True)))
    await shop.publish(*map(list, zip(*again, strict=True)))
    last = uuid4()
    await shop.start_consumer(handler)
    await shop.effects(len(events))
    await shop.publish([paid(last, version) for version in range(30)])  # after all duplicates, in every partition
    effects = await shop.effects(len(events) + 30)
    assert len(effects) == len(events) + 30
    for order in orders:
        assert [version for key, version in effects if key == order] == [1, 2, 3, 4, 5]


async def test_a_crash_between_commit_and_offset_commit_repeats_no_effect(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = uuid4()
    commits: list[Any] = []
    commit = AIOKafkaConsumer.commit

    async def dies_at_first(client: AIOKafkaConsumer, offsets: Any) -> None:
        commits.append(offsets)
        if len(commits) <= 2:
            raise MemoryError  # no Kafka error, so the client is replaced and the offset is not committed
        await commit(client, offsets)

    monkeypatch.setattr(AIOKafkaConsumer, "commit", dies_at_first)
    await shop.publish([paid(order, version) for version in range(5)])
    await shop.start_consumer(one_by_one)
    await shop.effects(5)

    async def was_repeated() -> bool:
        return len(commits) > 2

    await eventually(was_repeated)
    await shop.publish([paid(order, 5)])
    assert [version for _, version in await shop.effects(6)] == [0, 1, 2, 3, 4, 5]


async def test_a_failed_offset_commit_does_not_stop_the_consumer(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fenced(client: AIOKafkaConsumer, offsets: Any) -> None:
        raise CommitFailedError

    monkeypatch.setattr(AIOKafkaConsumer, "commit", fenced)
    order = uuid4()
    await shop.start_consumer(one_by_one)
    await shop.publish([paid(order, 1)])
    await shop.effects(1)
    await shop.publish([paid(order, 2)])
    assert await shop.effects(2) == [(order, 1), (order, 2)]


async def test_events_without_a_handler_are_skipped_and_counted(shop: Shop) -> None:
    order = uuid4()
    before = counted("events_skipped_total", topic=TOPIC, reason="unknown")
    async with AIOKafkaProducer(bootstrap_servers=shop.kafka) as producer:
        for type in ("mart.order.paid.v9", "mart.order.dreamt.v1"):
            envelope = Envelope(uuid7(), type, "/order_service", str(order), utcnow())
            await shop.send(producer, TOPIC, str(order), b"{}", encode(envelope))
    await shop.publish([paid(order, 1)])
    await shop.start_consumer(one_by_one)
    assert await shop.effects(1) == [(order, 1)]
    assert counted("events_skipped_total", topic=TOPIC, reason="unknown") == before + 2


async def test_a_service_skips_its_own_events(shop: Shop) -> None:
    order = uuid4()
    own = Envelope(uuid7(), OrderPaid.type, "/notification_service", str(order), utcnow())
    async with AIOKafkaProducer(bootstrap_servers=shop.kafka) as producer:
        await shop.send(producer, TOPIC, str(order), paid(order, 1).model_dump_json().encode(), encode(own))
    await shop.publish([paid(order, 2)])
    await shop.start_consumer(one_by_one)
    assert await shop.effects(1) == [(order, 2)]


async def test_an_unreadable_record_becomes_a_dead_letter_at_once_and_blocks_no_events(shop: Shop) -> None:
    order = uuid4()
    fine = encode(Envelope(uuid7(), OrderPaid.type, "/order_service", str(order), utcnow()))
    async with AIOKafkaProducer(bootstrap_servers=shop.kafka) as producer:
        await shop.send(producer, TOPIC, str(order), b"no json", fine)
        await shop.send(producer, TOPIC, str(order), b"{}", [("colour", b"\xff\x00")])
        await shop.send(producer, TOPIC, str(order), b"{}", [*fine[:3], ("ce_type", b"other.v1")])
    await shop.publish([paid(order, 1)])
    await shop.start_consumer(one_by_one)
    assert await shop.effects(1) == [(order, 1)]
    letters = await shop.records(f"{TOPIC}.dlq", 3)
    assert [letter.value for letter in letters] == [b"no json", b"{}", b"{}"]
    headers = dict(letters[1].headers)
    assert headers["colour"] == b"\xff\x00"
    assert headers["topic"] == TOPIC.encode()
    assert headers["offset"] == b"1"
    assert headers["attempts"] == b"1"
    assert b"ce_id" in headers["error"]


async def test_a_batch_of_a_compacted_topic_has_the_newest_event_of_each_key(shop: Shop) -> None:
    ada, bob = sorted([uuid4(), uuid4()])
    batches: list[list[tuple[UUID, int]]] = []

    @consumes(UserErased, batch=True)
    async def newest(_: Transaction, events: list[UserErased], envelopes: list[Envelope]) -> None:
        assert [envelope.subject for envelope in envelopes] == [event.subject for event in events]
        batches.append([(event.user_id, event.version) for event in events])

    records = []
    for offset, event in enumerate([erased(bob, 2), erased(ada, 1), erased(ada, 3), erased(ada, 2), erased(bob, 2)]):
        headers = encode(Envelope(uuid7(), event.type, event.source, event.subject, utcnow()))
        value = event.model_dump_json().encode()
        records.append(Record("users", 0, offset, event.key.encode(), headers, value))
    await Processor(shop.notifications, "/notification_service", QUICK).process(gather([newest])["users"], records)
    assert batches == [[(ada, 3), (bob, 2)]]


async def test_snapshots_need_no_inbox_rows(shop: Shop) -> None:
    user = uuid4()
    await shop.publish([erased(user, 1), erased(user, 2)])
    await shop.start_consumer(snapshot)
    assert await shop.effects(2) == [(user, 1), (user, 2)]
    assert await shop.value(shop.notifications, "SELECT count(*) FROM inbox") == 0


async def test_events_of_a_handler_commit_with_its_effects(shop: Shop) -> None:
    @consumes(UserErased)
    async def answers(tx: Transaction, event: UserErased) -> None:
        await outbox.add(tx, paid(event.user_id, event.version))

    user = uuid4()
    await shop.start_consumer(answers)
    await shop.publish([erased(user, 7)])
    assert (await shop.records(TOPIC, 1))[0].key == str(user).encode()


async def test_an_unavailable_database_pauses_the_consumer_and_costs_no_attempt(shop: Shop) -> None:
    order = uuid4()
    consuming = await shop.start_consumer(one_by_one)
    await shop.publish([paid(order, 1)])
    await shop.effects(1)
    name = make_url(shop.notification_url).database
    with administration(shop.notification_url.rsplit("/", 1)[0] + "/postgres") as cursor:
        cursor.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
    await shop.publish([paid(order, version) for version in range(2, 6)])

    async def paused() -> bool:
        return consuming.processor.paused_why == "database away"

    await eventually(paused)
    with administration(shop.notification_url.rsplit("/", 1)[0] + "/postgres") as cursor:
        cursor.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert [version for _, version in await shop.effects(5)] == [1, 2, 3, 4, 5]
    assert await shop.value(shop.notifications, "SELECT count(*) FROM parked_events") == 0


async def test_a_stalled_client_is_detected_and_rebuilt(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    getmany = AIOKafkaConsumer.getmany
    stalled: list[AIOKafkaConsumer] = []

    async def stalls_at_first(client: AIOKafkaConsumer, **options: Any) -> Any:
        if not stalled or stalled[0] is client:
            stalled[:] = [client]
            await asyncio.Event().wait()
        return await getmany(client, **options)

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", stalls_at_first)
    order = uuid4()
    await shop.publish([paid(order, 1), paid(order, 2)])
    consuming = await shop.start_consumer(
        one_by_one, tuning=dataclasses.replace(QUICK, stalled_seconds=2.0, watch_seconds=0.2)
    )

    async def lag_is_known() -> bool:
        health = await consuming.health()
        return health.consumers is not None and sum(health.consumers.lag.values()) == 2

    await eventually(lag_is_known)
    assert await shop.effects(2) == [(order, 1), (order, 2)]

    async def caught_up() -> bool:
        health = await consuming.health()
        return health.ok and health.consumers is not None and sum(health.consumers.lag.values()) == 0

    await eventually(caught_up)


async def test_two_replicas_share_the_work_and_each_event_takes_effect_once(shop: Shop) -> None:
    orders = [uuid4() for _ in range(30)]
    first = await shop.start_consumer(one_by_one)
    await shop.publish([paid(order, 1) for order in orders])
    await shop.effects(30)
    second = await shop.start_consumer(one_by_one, database=shop.another_pool(shop.notification_url))
    await shop.publish([paid(order, 2) for order in orders])

    async def shared() -> bool:
        held = [each.consumer.assignment for each in (first, second) if each.consumer]
        return all(held) and len(held[0] | held[1]) == 3

    await eventually(shared)
    await shop.publish([paid(order, 3) for order in orders])
    effects = await shop.effects(90)
    await second.stop()
    await shop.publish([paid(order, 4) for order in orders])
    effects = await shop.effects(120)
    for order in orders:
        assert [version for key, version in effects if key == order] == [1, 2, 3, 4]


async def test_a_batch_handler_gets_each_key_in_order(shop: Shop) -> None:
    seen: list[list[tuple[UUID, int]]] = []

    @consumes(OrderPaid, batch=True)
    async def batches(tx: Transaction, events: list[OrderPaid], envelopes: list[Envelope]) -> None:
        seen.append([(event.order_id, event.version) for event in events])
        await in_batches(tx, events, envelopes)

    orders = [uuid4() for _ in range(20)]
    await shop.publish([paid(order, version) for version in range(10) for order in orders])
    await shop.start_consumer(batches)
    effects = await shop.effects(200)
    assert len(seen) < 100
    for order in orders:
        assert [version for key, version in effects if key == order] == list(range(10))
