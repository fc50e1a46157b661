"""The whole shop works on a broker with TLS, passwords and an access control list made from the contracts."""

import asyncio
import shutil
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError, KafkaError, TopicAuthorizationFailedError, for_code

from contracts.events.payment_status import PaymentSucceeded
from contracts.money import Money
from contracts.topics import PAYMENT_STATUS, TOPICS, USERS
from local_stack.kafka import run
from local_stack.lag import consumer_lag
from local_stack.parts import SERVICES
from local_stack.shop import Shop
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.messaging import Envelope
from service_kit.messaging.administration import create_acls, principals
from service_kit.messaging.connection import KafkaConnection
from service_kit.messaging.envelope import encode
from tests.conftest import SETTINGS
from tests.harness.certificates import Authority
from tests.harness.secured_kafka import ADMIN, SecuredKafka, secured_kafka
from tests.system.log import records_of
from tests.system.world import Person, World, until
from tools.demo.run import Demo

ACQUIRER, STRANGER = "acquirer", "stranger"
pytestmark = [pytest.mark.system, pytest.mark.xdist_group("secured_kafka"), pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def kafka() -> Iterator[SecuredKafka]:
    directory = Path(tempfile.mkdtemp(prefix="online-mart-secured-"))
    names = [service.package for service in SERVICES]
    with secured_kafka(directory, *names, ACQUIRER, STRANGER) as made:
        yield made
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def secured_shop(kafka: SecuredKafka) -> Iterator[Shop]:
    """A shop whose topics and rights the admin created; each service has its own user with the rights it needs."""
    directory = Path(tempfile.mkdtemp(prefix="online-mart-shop-"))
    directory.chmod(0o711)
    names = {f"{each.setting_prefix}_KAFKA_SASL_USERNAME": each.package for each in SERVICES}
    words = {f"{each.setting_prefix}_KAFKA_SASL_PASSWORD": kafka.passwords[each.package] for each in SERVICES}
    settings = {
        **SETTINGS, **names, **words,
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_CA_FILE": str(kafka.ca_file),
        "KAFKA_SASL_USERNAME": ADMIN,
        "KAFKA_SASL_PASSWORD": kafka.passwords[ADMIN],
        "TRUSTED_PAYMENT_SOURCES": f"/{ACQUIRER}",
    }  # fmt: skip
    shop = Shop(directory, settings=settings, free_ports=True)
    try:
        shop.prepare()
        names = principals(shop.settings)
        first, second = (run(create_acls(shop.kafka, "", names)) for _ in range(2))
        assert first == second > len(TOPICS)
        shop.up()
        yield shop
    finally:
        shop.down()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
async def world(secured_shop: Shop) -> AsyncIterator[World]:
    async with World(secured_shop) as world:
        yield world


async def test_orders_in_every_status_need_only_granted_permissions(world: World) -> None:
    shop = world.shop
    states = await asyncio.to_thread(Demo.of(shop).make)
    assert len(states) > 5

    async def all_read() -> bool:
        groups = [each.package for each in SERVICES if each.name != "user"]
        lags = await asyncio.to_thread(consumer_lag, shop.kafka, groups)
        backlogs = [await asyncio.to_thread(shop.outbox_backlog, each.name) for each in SERVICES]
        return not any(lags.values()) and not any(backlogs)

    await until("all events handled", all_read)
    for service in SERVICES:
        answer = await world.http.get(world.operations_url(service.name) + "/health/consumers")
        assert answer.json()["ok"], (service.name, answer.text)
    assert {record.topic for record in await records_of(shop.kafka)} == {topic.name for topic in TOPICS}
    assert await records_of(shop.kafka, topics=[topic.dlq for topic in TOPICS]) == []


def _reported(order: dict[str, Any], source: str) -> tuple[PaymentSucceeded, list[tuple[str, bytes]]]:
    money = Money.model_validate(order["total"])
    event = PaymentSucceeded(payment_id=uuid4(), order_id=UUID(order["id"]), amount=money)
    return event, encode(Envelope(uuid7(), event.type, source, event.subject, utcnow()))


async def _send(connection: KafkaConnection, topic: str, value: bytes = b"{}", **record: Any) -> None:
    async with AIOKafkaProducer(**connection.arguments(), request_timeout_ms=5_000) as producer:
        await producer.send_and_wait(topic, value, **record)


async def _unpaid(world: World) -> tuple[Person, dict[str, Any]]:
    customer = await world.customer()
    order = await customer.order((await world.product(stock=1, price=700), 1))
    await customer.order_becomes(order["id"], "awaiting_payment")
    return customer, order


async def test_only_payments_from_trusted_sources_are_applied(kafka: SecuredKafka, world: World) -> None:
    customer, order = await _unpaid(world)
    order_id = order["id"]
    forged, headers = _reported(order, "/somebody")
    admin = kafka.connection(ADMIN)
    topic = PAYMENT_STATUS.name
    await _send(admin, topic, forged.model_dump_json().encode(), key=order_id.encode(), headers=headers)

    async def rejected() -> list[Any]:
        return await records_of(admin, order_id, topics=[PAYMENT_STATUS.dlq])

    await until("the dead letter", rejected)
    letters = await _dead_letters(admin)
    assert "source '/somebody' is not trusted for topic payment_status" in letters
    assert (await customer.call("order", "GET", f"/orders/{order_id}"))["status"] == "awaiting_payment"

    true, headers = _reported(order, f"/{ACQUIRER}")
    await _send(admin, topic, true.model_dump_json().encode(), key=order_id.encode(), headers=headers)
    await customer.order_becomes(order_id, "paid")


async def _dead_letters(connection: KafkaConnection) -> set[str]:
    """The reasons that the dead letters give."""
    place = TopicPartition(PAYMENT_STATUS.dlq.name, 0)
    async with AIOKafkaConsumer(**connection.arguments(), enable_auto_commit=False) as consumer:
        consumer.assign([place])
        await consumer.seek_to_beginning()
        records = (await consumer.getmany(timeout_ms=5_000))[place]
    return {dict(record.headers)["error"].decode() for record in records}


@pytest.mark.usefixtures("secured_shop")
@pytest.mark.parametrize(
    ("user", "topic"),
    [("user_service", PAYMENT_STATUS.name), ("notification_service", USERS.name), (STRANGER, PAYMENT_STATUS.name)],
)
async def test_the_broker_rejects_writers_without_permission(kafka: SecuredKafka, user: str, topic: str) -> None:
    with pytest.raises(TopicAuthorizationFailedError):
        await _send(kafka.connection(user), topic)


@pytest.mark.usefixtures("secured_shop")
@pytest.mark.parametrize("user", ["product_service", STRANGER])
async def test_the_broker_rejects_readers_without_permission(kafka: SecuredKafka, user: str) -> None:
    client = AIOKafkaAdminClient(**kafka.connection(user).arguments())
    await client.start()
    try:
        [described] = await client.describe_topics([PAYMENT_STATUS.name])
    finally:
        await client.close()
    assert for_code(described["error_code"]) is TopicAuthorizationFailedError


async def test_unknown_plaintext_and_untrusted_clients_are_rejected(kafka: SecuredKafka, tmp_path: Path) -> None:
    strange = Authority(tmp_path, "Another CA").ca_file
    plain = KafkaConnection.plain(kafka.bootstrap_servers)
    for connection in (plain, kafka.connection(ADMIN, "wrong"), kafka.connection(ADMIN, ca_file=strange)):
        client = AIOKafkaAdminClient(**connection.arguments(), request_timeout_ms=3_000)
        try:
            with pytest.raises((KafkaConnectionError, KafkaError, ssl.SSLError, TimeoutError)):
                await client.start()
        finally:
            await client.close()
