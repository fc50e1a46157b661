"""The service on a database of its own, with a mail server; events are delivered as from Kafka."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts import examples
from contracts.events import Event
from contracts.events.users import UserChanged, UserErased
from notification_service.channels import EMAIL
from notification_service.deliveries.jobs import send_due
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.messaging.envelope import Envelope, Record, encode
from tests.harness.service import Caller, Served, serve
from tests.harness.smtp_server import SmtpServer, post_office

ADDRESS = "ada@example.com"


def example(kind: type[Event], **changes: Any) -> Any:
    """The contracts' example of an event, with some fields changed."""
    given = kind.model_validate_json(examples.newest(kind.type).read_text())
    return given.model_copy(update=changes)


def record(event: Event, id: UUID | None = None, source: str | None = None) -> Record:
    """The event as a Kafka record."""
    envelope = Envelope(id or uuid7(), event.type, source or event.source, event.subject, utcnow())
    value = event.model_dump_json().encode()
    return Record(event.topic.name, 0, 0, event.key.encode(), encode(envelope), value)


class Shop:
    """The notification service, its mail server and its callers."""

    def __init__(self, served: Served, office: SmtpServer) -> None:
        self.served = served
        self.office = office
        self.staff = served.caller(role="SubAdmin")

    async def receive(self, *records: Record) -> None:
        """Processes a batch of one topic, as a consumer does."""
        messaging = self.served.runtime.messaging
        await messaging.processor.process(messaging.subscriptions[records[0].topic], records)

    async def deliver(self, event: Event, id: UUID | None = None, source: str | None = None) -> None:
        await self.receive(record(event, id, source))

    async def introduce(self, user_id: UUID, *, version: int = 1, verified: bool = True, email: str = ADDRESS) -> None:
        changed = example(
            UserChanged,
            user_id=user_id,
            version=version,
            email=email,
            full_name="Ada Lovelace",
            email_verified=verified,
        )
        await self.deliver(changed)

    async def erase(self, user_id: UUID, version: int = 9) -> None:
        await self.deliver(UserErased(user_id=user_id, version=version))

    async def customer(self, *, verified: bool = True, email: str = ADDRESS) -> Caller:
        """A customer whose account the service knows."""
        caller = self.served.caller()
        await self.introduce(caller.user_id, verified=verified, email=email)
        return caller

    async def send_mail(self) -> None:
        """Runs the job once."""
        await send_due(EMAIL, self.served.runtime)

    async def make_due(self) -> None:
        """Makes all pending deliveries due, as if the back-off had passed."""
        await self.sql("UPDATE deliveries SET next_attempt_at = now() WHERE status = 'pending'")

    async def sql(self, statement: str, *values: Any) -> Sequence[Any]:
        async with self.served.runtime.database.connection() as connection:
            rows: Sequence[Any] = await connection.fetch(statement, *values)
            return rows

    async def deliveries(self, **filters: Any) -> list[dict[str, Any]]:
        answer = await self.staff.get("/deliveries", params=filters)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["items"]
        return found


async def inbox(caller: Caller, **filters: Any) -> dict[str, Any]:
    answer = await caller.get("/notifications", params=filters)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """Waits until the condition returns a true value, and returns that."""
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            if inspect.isawaitable(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.02)


@asynccontextmanager
async def open_shop(**settings: Any) -> AsyncIterator[Shop]:
    async with post_office() as office:
        mail = {"smtp_host": "127.0.0.1", "smtp_port": office.port, "mail_from": "Online Mart <no-reply@mart.test>"}
        async with serve("notification_service", **{**mail, **settings}) as served:
            yield Shop(served, office)


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with open_shop() as shop:
        yield shop


@pytest.fixture
def order_id() -> UUID:
    return uuid4()
