"""Limits of a request: its size and depth, the length of its parameters and pages, the time of its statements."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from local_stack import ports
from service_kit.database import sessions
from service_kit.http.headers import MOST_BYTES
from service_kit.http.server import LimitedProtocol
from service_kit.ids import uuid7
from tests.harness.server import listening
from tests.harness.service import serve
from tests.security.operations import SERVICES, Operation, app, operations
from tests.security.seeded_service import SeededService, product_of, seeded_service

PROBLEM = "application/problem+json"
BOUNDS = ("maxLength", "pattern", "enum", "const", "format")


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """The port of a service that listens with the production server. Its database cannot be reached."""
    [port] = ports.lease()
    async with listening(app("order"), port, http=LimitedProtocol):
        yield port
    ports.release([port])


async def exchange(port: int, *pieces: bytes) -> bytes:
    """Sends the pieces, one at a time, and reads until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(20):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def _write(writer: asyncio.StreamWriter, count: int) -> None:
    async with asyncio.timeout(30):
        for _ in range(count // 65_536):
            writer.write(b"a" * 65_536)
            await writer.drain()


START = b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"


async def test_headers_have_a_limit_on_a_real_server(port: int) -> None:
    fine = await exchange(port, START, b"X-A: " + b"a" * (MOST_BYTES // 2) + b"\r\n\r\n")
    assert fine.startswith(b"HTTP/1.1 200")
    for pieces in (
        [START, b"X-A: " + b"a" * 100_000 + b"\r\n\r\n"],
        [START, *[b"X-%d: a\r\n" % n for n in range(10_000)], b"\r\n"],
        [b"GET /" + b"a" * 60_000 + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"],
    ):
        answer = await exchange(port, *pieces)
        assert answer.startswith(b"HTTP/1.1 431"), answer[:100]
        assert PROBLEM.encode() in answer
        assert b"headers-too-large" in answer


async def test_headers_that_never_end_are_not_kept(port: int) -> None:
    """The server closes the connection; the HTTP parser alone would buffer such a header without limit."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(START + b"X-Endless: ")
    try:
        with pytest.raises(ConnectionError):
            await _write(writer, 100_000_000)
    finally:
        writer.close()


async def test_invalid_http_is_rejected(port: int) -> None:
    answer = await exchange(port, b"NONSENSE\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400")
    assert PROBLEM.encode() in answer
    assert b"x-content-type-options: nosniff" in answer


async def test_bodies_with_too_many_levels_are_rejected() -> None:
    async with seeded_service("order") as seeded:
        tried = 0
        for operation in seeded.operations:
            if operation.body_schema() is None or operation.permissions is None:
                continue
            tried += 1
            client = seeded.as_owner if operation.is_ones_own else seeded.admin
            for body in (b"[" * 100_000, b'{"a":' * 50_000 + b"1" + b"}" * 50_000, b"[" * 5000 + b"]" * 5000):
                headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid4())}
                answer = await client.request(
                    operation.method, operation.url(seeded.ids), content=body, headers=headers
                )
                assert answer.status_code in (400, 422), f"{operation}: {answer.status_code}"
                assert answer.headers["Content-Type"] == PROBLEM
        assert tried >= 6


@pytest.mark.parametrize("service", SERVICES)
def test_every_request_parameter_has_a_limit(service: str) -> None:
    """Every text and list in queries and bodies has a maximum length; a page has at most 100 items."""
    for operation in operations(service):
        for parameter in operation.spec.get("parameters", ()):
            if parameter["in"] == "query":
                name = f"{operation} ?{parameter['name']}"
                assert not list(_unbounded(operation, parameter["schema"], name)), name
            if parameter["name"] == "limit":
                assert parameter["schema"]["maximum"] == 100, str(operation)
        body = operation.spec.get("requestBody", {}).get("content", {})
        for content in body.values():
            assert list(_unbounded(operation, content["schema"], str(operation))) == []


def _unbounded(operation: Operation, schema: Mapping[str, Any], where: str) -> Iterator[str]:
    """Texts and lists without a maximum length."""
    for choice in ("anyOf", "oneOf", "allOf"):
        for each in schema.get(choice, ()):
            yield from _unbounded(operation, each, where)
    found = operation.resolve(schema) if "$ref" in schema else schema
    kind = found.get("type")
    if kind == "string" and not any(bound in found for bound in BOUNDS):
        yield f"{where}: a text"
    if kind == "array":
        if "maxItems" not in found:
            yield f"{where}: a list"
        yield from _unbounded(operation, found["items"], f"{where}[]")
    for name, each in found.get("properties", {}).items():
        yield from _unbounded(operation, each, f"{where}.{name}")


@pytest.mark.parametrize("service", SERVICES)
async def test_pages_cursors_and_lists_beyond_their_limits_are_rejected(service: str) -> None:
    async with seeded_service(service) as seeded:
        for operation in seeded.operations:
            if operation.method != "get" or not operation.takes("limit"):
                continue
            for query in ({"limit": 101}, {"limit": 0}, {"limit": -1}, {"cursor": "x" * 501}, {"cursor": _deep()}):
                answer = await _admin(seeded).get(operation.url(seeded.ids), params=query)
                assert answer.status_code in (400, 422), f"{operation} {query}: {answer.status_code}"
                assert answer.headers["Content-Type"] == PROBLEM


def _admin(seeded: SeededService) -> httpx.AsyncClient:
    return seeded.admin


def _deep() -> str:
    return "W1tb" * 120  # `[[[[…` in base64


async def test_a_slow_statement_is_cancelled() -> None:
    """The caller gets 503 with `Retry-After`, and the next request works."""
    async with serve("product_service", statement_timeout_seconds=0.3) as served:
        database = served.runtime.database
        async with database.connection() as connection:
            with pytest.raises(asyncpg.QueryCanceledError):
                await connection.fetch("SELECT pg_sleep(5)")
        blocker = await asyncpg.connect(served.database_url)
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE categories IN ACCESS EXCLUSIVE MODE")
            answer = await served.anonymous.get("/categories")
        await blocker.close()
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/busy")
        assert answer.headers["Retry-After"] == "1"
        assert (await served.anonymous.get("/categories")).status_code == 200


WAITERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.mark.parametrize("db", ["session", "hot"])
async def test_a_deadlock_victim_gets_retry_after(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two transactions wait for each other's rows; PostgreSQL cancels the one of the request."""
    monkeypatch.setitem(sessions.LIMITS, "deadlock_timeout", "500ms")  # before any other time-out ends the wait
    monkeypatch.setitem(sessions.LIMITS, "lock_timeout", "60s")
    async with seeded_service("user" if db == "session" else "inventory") as seeded:
        first, second, request = await (_two_accounts if db == "session" else _two_products)(seeded)
        blocker = await asyncpg.connect(seeded.served.database_url)
        await blocker.execute("SET deadlock_timeout = '60s'")
        transaction = blocker.transaction()
        await transaction.start()
        await blocker.execute(second)
        asking = asyncio.create_task(seeded.admin.request(**request))
        while not await blocker.fetchval(WAITERS):
            assert not asking.done(), asking.result().text
        await blocker.execute(first)  # it waits until the request's transaction is cancelled
        answer = await asking
        await transaction.rollback()
        await blocker.close()
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/busy")
        assert answer.headers["Retry-After"] == "1"
        assert (await seeded.admin.request(**request)).is_success


LockOrder = tuple[str, str, dict[str, Any]]
"""A statement that locks one row, one that locks another, and a request that locks both in this order."""


async def _two_accounts(seeded: SeededService) -> LockOrder:
    body = {"email": "x@example.com", "password": "correct horse battery", "full_name": "X", "roles": ["Admin"]}
    admin = (await seeded.admin.post("/users", json=body)).json()["id"]
    lock = "SELECT FROM accounts WHERE id = '{}' FOR UPDATE"
    change = {"method": "PATCH", "url": f"/users/{seeded.owner}", "json": {"full_name": "Another"}}
    return lock.format(admin), lock.format(seeded.owner), change


async def _two_products(seeded: SeededService) -> LockOrder:
    products = sorted([seeded.values["product_id"], str(uuid7())])
    for product_id in products:
        await seeded.served.deliver(product_of(UUID(product_id)))
    body = {name: seeded.values[name] for name in ("warehouse_id", "supplier_id")}
    lines = [{"product_id": product_id, "quantity": 1} for product_id in products]
    receipt: dict[str, Any] = {"method": "POST", "url": "/stock/receipts", "json": {**body, "lines": lines}}
    assert (await seeded.admin.request(**receipt)).is_success
    first, second = (f"SELECT FROM stock WHERE product_id = '{each}' FOR UPDATE" for each in products)
    return first, second, receipt


@pytest.mark.parametrize("service", SERVICES)
async def test_characters_that_postgresql_cannot_store_cause_no_server_error(service: str) -> None:
    """JSON can contain NUL and half of a surrogate pair, and PostgreSQL's `text` neither."""
    async with seeded_service(service) as seeded:
        for operation in seeded.operations:
            if operation.body_schema() is None:
                continue
            client = seeded.as_owner if operation.is_ones_own else seeded.admin
            for character in ("\\u0000", "\\ud800"):
                request = operation.request(seeded.values if not operation.is_ones_own else None)
                content = _with_character(request.pop("json"), character)
                request["headers"]["Content-Type"] = "application/json"
                url = operation.url(seeded.ids)
                answer = await client.request(operation.method, url, content=content, **request)
                assert answer.status_code < 500 or "gateway" in answer.text, f"{operation} {character}: {answer.text}"
        for operation in seeded.operations:
            texts = [each["name"] for each in operation.spec.get("parameters", ()) if each["in"] == "query"]
            if operation.method == "get":
                for name in texts:
                    answer = await seeded.admin.get(operation.url(seeded.ids), params={name: "a\0b"})
                    assert answer.status_code < 500, f"{operation} ?{name}: {answer.text}"


def _with_character(body: Any, character: str) -> bytes:
    """The body as JSON, with the character appended to each of its texts."""

    def longer(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: longer(each) for name, each in value.items()}
        if isinstance(value, list):
            return [longer(each) for each in value]
        return value + "@@@" if isinstance(value, str) and not _is_id(value) else value

    return json.dumps(longer(body)).replace("@@@", character).encode()


def _is_id(value: str) -> bool:
    return len(value) == 36 or len(value) <= 3 or value[:4].isdigit()
