"""The whole service: it consumes events from Kafka and sends mails."""

import secrets
from uuid import uuid4

from aiokafka import AIOKafkaProducer

from contracts.events import Event
from contracts.events.order_notification import OrderPaid, OrderPlaced
from contracts.events.shipment_notification import ShipmentDelivered, ShipmentDispatched
from contracts.events.users import UserChanged
from notification_service.tests.conftest import ADDRESS, example, inbox, open_shop, record, until
from service_kit.messaging.administration import create_topics
from service_kit.messaging.connection import KafkaConnection
from service_kit.messaging.envelope import Record


async def publish(producer: AIOKafkaProducer, prefix: str, records: list[Record]) -> None:
    for each in records:
        await producer.send(prefix + each.topic, each.value, key=each.key, headers=list(each.headers))
    await producer.flush()


async def test_events_from_kafka_are_mailed_once(kafka: str) -> None:
    prefix = f"{secrets.token_hex(4)}."
    await create_topics(KafkaConnection.plain(kafka), prefix)
    settings = {"kafka_bootstrap_servers": kafka, "kafka_topic_prefix": prefix, "service_role": "all"}
    user_id = uuid4()
    published: list[type[Event]] = [OrderPlaced, OrderPaid, ShipmentDispatched, ShipmentDelivered]
    events = [record(example(kind, customer_id=user_id)) for kind in published]
    user = record(example(UserChanged, user_id=user_id, email=ADDRESS, email_verified=True, version=1))

    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer, open_shop(**settings) as shop:
        customer = shop.served.caller(user_id=user_id)
        await publish(producer, prefix, [*events, *events])
        await until(lambda: shop.sql("SELECT FROM notifications OFFSET 3"))
        assert (await inbox(customer))["items"] == []

        await publish(producer, prefix, [user, *events, user])
        await until(lambda: len(shop.office.mails) == 4)
        assert (await inbox(customer))["unread"] == 4
        await until(lambda: shop.sql("SELECT FROM deliveries WHERE status = 'sent' OFFSET 3"))
    assert len({mail["Message-ID"] for mail in shop.office.mails}) == 4
