"""A service in the process of the test, with its own database, called over HTTP without a socket."""

import importlib
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from os import getuid
from pathlib import Path
from tempfile import gettempdir
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
from fastapi import FastAPI

from contracts.events import Event, by_type
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.messaging.envelope import Envelope, Record, encode
from service_kit.personal_data import PersonalData, nothing_to_erase
from service_kit.runtime import Runtime
from tests.harness import tokens
from tests.harness.databases import drop_database, new_database

NOBODY = "127.0.0.1:1"
"""An address without a server: a service must work without a broker."""
NO_PERSONAL_DATA = PersonalData(sections=[], erase=nothing_to_erase)
NEEDED: dict[str, dict[str, Any]] = {
    "user": {"key_encryption_secret": "x" * 32, "password_memory_kib": 8, "password_rounds": 1},
    "order": {"gateway_url": f"http://{NOBODY}", "gateway_api_key": "x", "gateway_webhook_secret": "the gateway's"},
    "notification": {"smtp_host": "127.0.0.1", "mail_from": "shop@example.com"},
    "product": {"media_dir": Path(gettempdir(), f"online-mart-tests-{getuid()}", "media")},
}
"""The settings that a service requires, or whose defaults would change the shop on this machine."""


class Served:
    """A running service, and HTTP clients for it."""

    def __init__(self, app: FastAPI, database_url: str, stack: AsyncExitStack) -> None:
        self.app = app
        self.runtime: Runtime = app.state.runtime
        self.database_url = database_url
        self._stack = stack
        self.anonymous = self._client({})
        self.operations = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app.state.operations), base_url="http://operations.test"
        )
        self._offsets = count()

    def caller(self, *permissions: str, role: str | None = None, user_id: UUID | None = None) -> "Caller":
        """A client with a valid token: these permissions, and those of `role` (User by default)."""
        user_id = user_id or uuid4()
        role = role if role or permissions else "User"
        bearer = tokens.token(*permissions, role=role, user_id=user_id)
        return Caller(user_id, self._client({"Authorization": f"Bearer {bearer}"}))

    async def events(self, kind: type[Event] | None = None) -> list[Any]:
        """The events in the outbox, in order, as models of the contracts."""
        async with self.runtime.database.connection() as connection:
            rows = await connection.fetch("SELECT type, value FROM outbox ORDER BY id")
        found = []
        for row in rows:
            model = by_type(row["type"])
            assert model is not None, f"{row['type']} is not in contracts"
            found.append(model.model_validate_json(row["value"], strict=False))
        return [event for event in found if kind is None or isinstance(event, kind)]

    async def deliver(self, *events: Event) -> None:
        """Handles events as the consumer does: those of each topic as one batch. Fails if one is queued for retry."""
        topics: dict[str, list[Record]] = {}
        for event in events:
            envelope = Envelope(uuid7(), event.type, event.source, event.subject, utcnow())
            value = event.model_dump_json().encode()
            record = Record(event.topic.name, 0, next(self._offsets), event.key.encode(), encode(envelope), value)
            topics.setdefault(event.topic.name, []).append(record)
        messaging = self.runtime.messaging
        for topic, records in topics.items():
            await messaging.processor.process(messaging.subscriptions[topic], records)
        async with self.runtime.database.connection() as connection:
            assert await connection.fetchval("SELECT error FROM parked_events") is None

    def client(self, bearer: str | None = None) -> httpx.AsyncClient:
        """A client with this token, which may be invalid."""
        return self._client({"Authorization": f"Bearer {bearer}"} if bearer is not None else {})

    def _client(self, headers: dict[str, str]) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=self.app)
        return httpx.AsyncClient(transport=transport, base_url="http://service.test", headers=headers)


class Caller:
    """An HTTP client with an access token."""

    def __init__(self, user_id: UUID, client: httpx.AsyncClient) -> None:
        self.user_id = user_id
        self.client = client
        self.get, self.post, self.put = client.get, client.post, client.put
        self.patch, self.delete = client.patch, client.delete


@asynccontextmanager
async def serve(service: str, **settings: Any) -> AsyncIterator[Served]:
    """Runs `service` (`order_service`) as an API alone, on a database of its own, until the block ends.

    `settings` are fields of its settings; `service_role="all", kafka_bootstrap_servers=…` enables relay and consumers.
    """
    url = settings.pop("database_url", None) or new_database(service)
    await keep_test_keys(url)
    values = {
        "environment": "development",
        "service_role": "api",
        "port": 0,
        "kafka_bootstrap_servers": NOBODY,
        "public_issuer": tokens.ISSUER,
        "jwks_url": f"http://{NOBODY}/",
        "log_level": "ERROR",
        "log_format": "console",
        **settings,
    }
    app = importlib.import_module(f"{service}.main").create(
        importlib.import_module(f"{service}.settings").Settings(database_url=url, **values)
    )
    trust_test_tokens(app.state.runtime)
    try:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(app.router.lifespan_context(app))
            yield Served(app, url, stack)
    finally:
        drop_database(url)


def trust_test_tokens(runtime: Runtime) -> None:
    """Fetching keys returns the tests' key, and the keys of the service if it creates any."""
    own = runtime.keys.fetch

    async def fetch() -> dict[str, Any]:
        made = (await own())["keys"] if runtime.settings.service == "user" else []
        return {"keys": [*tokens.key_set()["keys"], *made]}

    runtime.keys.fetch = fetch


async def keep_test_keys(url: str) -> None:
    """Stores the tests' key as if it had been fetched before."""
    connection = await asyncpg.connect(url)
    keep = "INSERT INTO verification_keys (id, jwks, fetched_at) VALUES (1, $1, now()) ON CONFLICT DO NOTHING"
    await connection.execute(keep, json.dumps(tokens.key_set()))
    await connection.close()
