"""How the drill makes each fault. A fault lasts as long as the block of its context manager, at whose end it is mended
as the runbook says."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from uuid import uuid4

import asyncpg
import httpx
from aiokafka import AIOKafkaProducer

from contracts.events.order_notification import OrderPlaced
from local_stack import ports
from local_stack.parts import part
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.messaging.envelope import Envelope, encode
from tests.chaos.faults.database import FOR_EVER
from tests.chaos.faults.freezes import second
from tests.monitoring.drill.bench import Bench
from tests.system.world import until

Inject = Callable[[Bench], AbstractAsyncContextManager[None]]
DELAY = 0.1
"""Seconds for each chunk between services and PostgreSQL: two statements then take longer than an order may."""
READERS = 24
"""More requests at a time than a process has connections."""


def stopped(*names: str) -> Inject:
    return partial(_stopped, names)


@asynccontextmanager
async def _stopped(names: tuple[str, ...], bench: Bench) -> AsyncIterator[None]:
    """The fault is over when all of them are ready again."""
    await asyncio.gather(*(asyncio.to_thread(bench.shop.stop, name) for name in names))
    try:
        yield
    finally:
        for name in names:
            await asyncio.to_thread(bench.shop.start, name)
        await asyncio.to_thread(bench.shop.wait_ready, *names)


@asynccontextmanager
async def slow_database(bench: Bench) -> AsyncIterator[None]:
    proxy = bench.shop.proxies["postgres"]
    proxy.slow(DELAY)
    try:
        yield
    finally:
        proxy.heal()


@asynccontextmanager
async def _locked(bench: Bench, service: str, table: str) -> AsyncIterator[None]:
    connection = await asyncpg.connect(bench.shop.database_url(service), server_settings=FOR_EVER)
    try:
        async with connection.transaction():
            await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        connection.terminate()


@asynccontextmanager
async def orders_locked(bench: Bench) -> AsyncIterator[None]:
    """Requests wait for a lock, each with a connection, until none is left."""

    async def read() -> None:
        while True:
            with suppress(httpx.TransportError):
                await bench.world.staff.ask("order", "GET", "/orders")

    async with _locked(bench, "order", "orders"):
        readers = [asyncio.create_task(read()) for _ in range(READERS)]
        try:
            yield
        finally:
            for reader in readers:
                reader.cancel()


@asynccontextmanager
async def notifications_locked(bench: Bench) -> AsyncIterator[None]:
    """The consumer runs, and handles nothing."""
    async with _locked(bench, "notification", "notifications"):
        yield


@asynccontextmanager
async def event_without_fields(bench: Bench) -> AsyncIterator[None]:
    """Its handler fails at each attempt. At the end it is discarded."""
    key = str(uuid4())
    headers = encode(Envelope(uuid7(), OrderPlaced.type, OrderPlaced.source, key, utcnow()))
    async with AIOKafkaProducer(**bench.shop.kafka.arguments()) as producer:
        await producer.send_and_wait(OrderPlaced.topic.name, b"{}", key=key.encode(), headers=headers)
    try:
        yield
    finally:
        staff = bench.world.staff
        for letter in (await staff.call("notification", "GET", "/dead-letters"))["items"]:
            await staff.call("notification", "POST", f"/dead-letters/{letter['id']}/discard")


@asynccontextmanager
async def no_event(bench: Bench) -> AsyncIterator[None]:
    """Somebody writes to the topic by hand. It is over at once."""
    async with AIOKafkaProducer(**bench.shop.kafka.arguments()) as producer:
        await producer.send_and_wait(OrderPlaced.topic.name, b"hello")
    yield


@asynccontextmanager
async def charge_of_no_order(bench: Bench) -> AsyncIterator[None]:
    """Somebody else uses the account at the gateway, which sends us the webhook. It is over at once."""
    key = bench.shop.settings["GATEWAY_API_KEY"]
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": str(uuid4())}
    charge = {"amount": 100, "currency": "GBP", "token": "tok_ok", "reference": "an order of another shop"}
    made = await bench.world.http.post(f"{bench.shop.url('gateway')}/charges", json=charge, headers=headers)
    assert made.is_success, made.text
    yield


@asynccontextmanager
async def right_revoked(bench: Bench) -> AsyncIterator[None]:
    """One job of the user service can't claim its rows; everything else works."""
    role = bench.shop.layout.serving_role(part("user"))
    await bench.execute("user", f"REVOKE UPDATE ON mails FROM {role}")
    try:
        yield
    finally:
        await bench.execute("user", f"GRANT UPDATE ON mails TO {role}")


@asynccontextmanager
async def old_keys(bench: Bench) -> AsyncIterator[None]:
    """A process starts with keys from two hours ago, and the user service is down."""
    async with _stopped(("user",), bench):
        await bench.execute("notification", "UPDATE verification_keys SET fetched_at = now() - interval '2 hours'")
        await asyncio.to_thread(bench.shop.restart, "notification")
        yield


@asynccontextmanager
async def one_process_of_two_gone(bench: Bench) -> AsyncIterator[None]:
    """Only its target is down. At the end it is no longer a target, as after a rollout."""
    service = "notification"
    [port] = ports.lease()
    target = f"localhost:{port}"

    async def is_scraped() -> bool:
        return bool(await bench.prometheus.series(f'up{{instance="{target}"}} == 1'))

    try:
        async with second(bench.shop, service, operations_port=port):
            bench.prometheus.add_targets({service: [target]})
            await until("the second process is scraped", is_scraped)
        yield
    finally:
        bench.prometheus.add_targets({})
        ports.release([port])


@asynccontextmanager
async def lease_of_nobody(bench: Bench) -> AsyncIterator[None]:
    """As if a process had taken the lease while its database's clock was wrong."""
    await bench.execute(
        "order", "UPDATE outbox_lease SET owner = 'nobody', epoch = epoch + 1, expires_at = now() + interval '1 hour'"
    )
    try:
        yield
    finally:
        await bench.execute("order", "UPDATE outbox_lease SET expires_at = now()")
