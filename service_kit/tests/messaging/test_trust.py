"""An event is handled only if it comes from a source that its topic's contract, or a setting, names."""

from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaProducer

from contracts.events import payment_status
from contracts.events.base import Event
from contracts.events.order_notification import OrderPaid
from contracts.money import Money
from contracts.topics import ORDER_NOTIFICATION, PAYMENT_STATUS
from service_kit.clock import utcnow
from service_kit.database import Transaction
from service_kit.ids import uuid7
from service_kit.messaging import Envelope, consumes
from service_kit.messaging.envelope import Record, Unreadable, encode
from service_kit.messaging.incoming import read
from service_kit.messaging.subscriptions import gather
from service_kit.tests.messaging.shop import Shop, module, paid, record_effect


@consumes(OrderPaid, batch=True)
async def received(tx: Transaction, events: list[OrderPaid], envelopes: list[Envelope]) -> None:
    for event, envelope in zip(events, envelopes, strict=True):
        await record_effect(tx, event, envelope)


@consumes(payment_status.PaymentSucceeded)
async def booked(tx: Transaction, event: payment_status.PaymentSucceeded) -> None:
    """Never called: the test only needs a subscription to the topic."""


async def test_an_untrusted_source_makes_a_dead_letter_with_the_reason(shop: Shop) -> None:
    """Later events of the key do not wait, since a record of an outsider must not delay those of services."""
    order = uuid4()
    sources = ("/order_service", "/inventory_service", "/strange", "/order_service")
    async with AIOKafkaProducer(bootstrap_servers=shop.kafka) as producer:
        for version, source in enumerate(sources, 1):
            event = paid(order, version)
            headers = encode(Envelope(uuid7(), event.type, source, event.subject, utcnow()))
            await shop.send(producer, ORDER_NOTIFICATION.name, event.key, event.model_dump_json().encode(), headers)
    await shop.start_consumer(received)
    assert await shop.effects(2) == [(order, 1), (order, 4)]
    letters = await shop.records(ORDER_NOTIFICATION.dlq.name, 2)
    reasons = [dict(letter.headers)["error"].decode() for letter in letters]
    assert reasons == [f"source {source!r} is not trusted for topic order_notification" for source in sources[1:3]]
    assert await shop.value(shop.notifications, "SELECT count(*) FROM effects") == 2


def _record(event: Event, source: str) -> Record:
    envelope = Envelope(UUID(int=1), event.type, source, event.subject, utcnow())
    return Record(event.topic.name, 0, 0, event.key.encode(), encode(envelope), event.model_dump_json().encode())


def _payment() -> payment_status.PaymentSucceeded:
    money = Money(amount=100, currency="GBP")
    return payment_status.PaymentSucceeded(payment_id=uuid4(), order_id=uuid4(), amount=money)


@pytest.mark.parametrize("trusted", [(), ("/acquirer",), ("/acquirer", "/other")])
def test_outside_payment_systems_are_trusted_by_name_and_only_on_their_topic(trusted: Sequence[str]) -> None:
    subscriptions = gather([module(received, booked)], {PAYMENT_STATUS.name: frozenset(trusted)})
    for source in ("/acquirer", "/other"):
        if source in trusted:
            assert read(_record(_payment(), source), subscriptions[PAYMENT_STATUS.name], "/notification_service")
        else:
            with pytest.raises(Unreadable, match="is not trusted for topic payment_status"):
                read(_record(_payment(), source), subscriptions[PAYMENT_STATUS.name], "/notification_service")
        with pytest.raises(Unreadable, match="is not trusted for topic order_notification"):
            read(_record(paid(uuid4(), 1), source), subscriptions[ORDER_NOTIFICATION.name], "/notification_service")


def test_a_service_is_not_trusted_on_topics_that_it_does_not_write() -> None:
    subscription = gather([module(received)])[ORDER_NOTIFICATION.name]
    with pytest.raises(Unreadable, match="not trusted"):
        read(_record(paid(uuid4(), 1), "/notification_service"), subscription, "/notification_service")
