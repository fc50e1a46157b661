"""The behaviour that `create_app` gives to every service, tested by HTTP on a small service of its own."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Annotated
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID

import asyncpg
import pytest
from fastapi import FastAPI, Query
from starlette.responses import Response

from service_kit import idempotency
from service_kit.database.keyset import Slice
from service_kit.database.statements import Statement
from service_kit.http.application import create_app
from service_kit.http.idempotency import IdempotencyKey, replay
from service_kit.http.pagination import Page, Paged
from service_kit.http.router import Router
from service_kit.http.sessions import Connection, Session, Transaction
from service_kit.schemas import RequestBody
from service_kit.security import PUBLIC, Principal, Requires
from service_kit.settings import ServiceSettings
from service_kit.telemetry.tracing import current_traceparent
from tests.harness.service import NO_PERSONAL_DATA, NOBODY, Served, keep_test_keys, trust_test_tokens
from tests.harness.tokens import ISSUER

ADD = Statement("INSERT INTO notes (body) VALUES (:body)")
JSON = {"Content-Type": "application/json"}
COUNT = "SELECT count(*) FROM notes"
# The deferred constraint fails at the commit, so a response that is sent before the commit would be wrong.
TABLES = """
CREATE TABLE alembic_version (version_num text);
CREATE TABLE verification_keys (id smallint PRIMARY KEY, jwks jsonb NOT NULL, fetched_at timestamptz NOT NULL);
CREATE TABLE idempotency_keys (user_id uuid, operation text, key text, body_hash bytea NOT NULL, status smallint,
    body bytea, location text, created_at timestamptz DEFAULT now(), PRIMARY KEY (user_id, operation, key));
CREATE TABLE notes (id serial PRIMARY KEY, body text);
CREATE FUNCTION reject() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN IF NEW.body = 'refused' THEN RAISE check_violation; END IF; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON notes DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION reject();
"""


class Settings(ServiceSettings, service="note"):
    pass


class Note(RequestBody):
    body: str


router = Router(prefix="/notes", tags=["notes"])


@router.post("/session", status_code=201, openapi_extra=PUBLIC)
async def through_a_session(note: Note, tx: Session) -> Note:
    await ADD.execute(tx, body=note.body)
    return note


@router.post("/hot", status_code=201, openapi_extra=PUBLIC)
async def through_a_hot_transaction(note: Note, tx: Transaction) -> Note:
    await ADD.execute(tx, body=note.body)
    return note


@router.post("/once", status_code=201)
async def once(
    note: Note, tx: Session, key: IdempotencyKey, who: Annotated[Principal, Requires("orders:write")]
) -> Response:
    if kept := await idempotency.claim(tx, who.user_id, key):
        return replay(kept)
    await asyncio.sleep(0)
    await ADD.execute(tx, body=note.body)
    body = note.model_dump_json().encode()
    await idempotency.store(tx, who.user_id, key, 201, body, "/notes/1")
    return Response(body, 201, {"Location": "/notes/1"}, media_type="application/json")


@router.get("", openapi_extra=PUBLIC)
async def notes(page: Paged) -> Page[Note]:
    return page.of(page.position.slice([], list), lambda row: Note(body=row))


@router.get("/tagged", openapi_extra=PUBLIC)
async def tagged(page: Paged, tag: Annotated[list[str], Query()], like: str | None = None) -> Page[Note]:
    return page.of(Slice([*tag, str(like)], "the-next"), lambda row: Note(body=row))


@router.post("", openapi_extra=PUBLIC)
async def add(note: Note) -> Note:
    return note


@router.get("/count", openapi_extra=PUBLIC)
async def count(connection: Connection) -> int:
    found: int = await connection.fetchval(COUNT)
    return found


@router.get("/fault", openapi_extra=PUBLIC)
async def fault() -> None:
    raise RuntimeError("the card number is 4711")


@router.get("/trace", openapi_extra=PUBLIC)
async def trace() -> str | None:
    return current_traceparent()


def make(database_url: str, **settings: object) -> FastAPI:
    values = {"port": 0, "environment": "development", "service_role": "api", "kafka_bootstrap_servers": NOBODY}
    urls = {"public_issuer": ISSUER, "jwks_url": f"http://{NOBODY}/", "database_url": database_url}
    app = create_app(
        Settings(**{**values, **urls, "log_level": "ERROR", **settings}),  # type: ignore[arg-type]
        title="Notes",
        description="For tests.",
        routers=[router],
        personal_data=NO_PERSONAL_DATA,
    )
    trust_test_tokens(app.state.runtime)
    return app


@pytest.fixture
async def service(empty_database: str) -> AsyncIterator[Served]:
    connection = await asyncpg.connect(empty_database)
    await connection.execute(TABLES)
    await connection.close()
    await keep_test_keys(empty_database)
    app = make(empty_database, max_body_bytes=1000, cors_origins="http://shop.test")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app.router.lifespan_context(app))
        yield Served(app, empty_database, stack)


@pytest.mark.parametrize("db", ["session", "hot"])
async def test_a_request_whose_commit_fails_gets_no_201(service: Served, db: str) -> None:
    rejected = await service.anonymous.post(f"/notes/{db}", json={"body": "refused"})
    assert (rejected.status_code, rejected.json()["type"]) == (500, "/problems/internal-error")
    accepted = await service.anonymous.post(f"/notes/{db}", json={"body": "accepted"})
    assert accepted.status_code == 201
    assert (await service.anonymous.get("/notes/count")).json() == 1


async def test_an_internal_error_reveals_nothing_to_the_caller(service: Served) -> None:
    answer = await service.anonymous.get("/notes/fault")
    assert answer.status_code == 500
    assert "4711" not in answer.text
    assert answer.headers["X-Request-Id"]


async def test_concurrent_requests_with_one_key_are_executed_once(service: Served) -> None:
    caller = service.caller("orders:write")
    answers = await asyncio.gather(
        *(caller.post("/notes/once", json={"body": "a"}, headers={"Idempotency-Key": "k"}) for _ in range(10))
    )
    assert {(answer.status_code, answer.text, answer.headers["Location"]) for answer in answers} == {
        (201, '{"body":"a"}', "/notes/1")
    }
    assert [answer.headers.get("Idempotent-Replayed") for answer in answers].count("true") == 9
    assert (await service.anonymous.get("/notes/count")).json() == 1


async def test_an_idempotency_key_belongs_to_one_body_and_one_user(service: Served) -> None:
    caller, other = service.caller("orders:write"), service.caller("orders:write")
    key = {"Idempotency-Key": "k"}
    await caller.post("/notes/once", json={"body": "a"}, headers=key)
    spaced = await caller.client.post("/notes/once", content=b'{ "body" : "a" }', headers={**key, **JSON})
    assert spaced.headers["Idempotent-Replayed"] == "true"
    assert (await caller.post("/notes/once", json={"body": "b"}, headers=key)).status_code == 422
    assert (await other.post("/notes/once", json={"body": "b"}, headers=key)).status_code == 201
    missing = await caller.post("/notes/once", json={"body": "a"})
    assert (missing.status_code, missing.json()["type"]) == (400, "/problems/idempotency-key-missing")


async def test_a_failed_request_is_not_stored_under_its_key(service: Served) -> None:
    caller, key = service.caller("orders:write"), {"Idempotency-Key": "k"}
    assert (await caller.post("/notes/once", json={"body": "refused"}, headers=key)).status_code == 500
    assert (await caller.post("/notes/once", json={"body": "accepted"}, headers=key)).status_code == 201


async def test_bodies_that_are_too_large_or_no_json_are_rejected(service: Served) -> None:
    async def in_pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 100

    for content in (b"x" * 1001, in_pieces()):
        answer = await service.anonymous.post("/notes/hot", content=content)
        assert (answer.status_code, answer.json()["type"]) == (413, "/problems/body-too-large")
    answer = await service.anonymous.post("/notes/hot", content=b"{", headers=JSON)
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/invalid-request")
    answer = await service.anonymous.post("/notes/hot", json={"body": 7})
    assert [(error["field"], error["in"]) for error in answer.json()["errors"]] == [("body", "body")]


async def test_unknown_paths_and_methods_are_problems(service: Served) -> None:
    assert (await service.anonymous.get("/nowhere")).json()["type"] == "/problems/no-such-path"
    answer = await service.anonymous.delete("/notes/hot")
    assert (answer.status_code, answer.json()["type"]) == (405, "/problems/method-not-allowed")
    assert answer.headers["Allow"] == "POST"
    assert (await service.anonymous.delete("/notes")).headers["Allow"] == "GET, HEAD, POST"


async def test_the_link_to_the_next_page_keeps_the_query(service: Served) -> None:
    asked = [("tag", "b"), ("like", "ä & ö"), ("tag", "a"), ("limit", "7"), ("tag", "b")]
    first = await service.anonymous.get("/notes/tagged?cursor=of-this-page&" + urlencode(asked))
    link = first.links["next"]["url"]
    assert parse_qsl(urlsplit(link).query) == [*asked, ("cursor", "the-next")]
    assert [item["body"] for item in first.json()["items"]] == ["b", "a", "b", "ä & ö"]


@pytest.mark.parametrize("db", ["session", "hot"])
async def test_a_text_that_postgresql_cannot_store_is_rejected(service: Served, db: str) -> None:
    answer = await service.anonymous.post(f"/notes/{db}", json={"body": "a\x00b"})
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/invalid-request")


async def test_a_trace_is_continued_and_a_missing_one_is_started(service: Served) -> None:
    """Without a receiver of spans, the caller's context is passed on as it is: a span of its own would be unknown."""
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    continued = (await service.anonymous.get("/notes/trace", headers={"traceparent": parent})).json()
    assert continued == parent
    assert len((await service.anonymous.get("/notes/trace")).json().split("-")[1]) == 32


async def test_a_safe_request_id_of_the_caller_is_kept(service: Served) -> None:
    given = await service.anonymous.get("/health/live", headers={"X-Request-Id": "abc-1"})
    assert given.headers["X-Request-Id"] == "abc-1"
    forged = await service.anonymous.get("/health/live", headers={"X-Request-Id": "a b{}"})
    assert UUID(forged.headers["X-Request-Id"])


async def test_the_pages_load_nothing_from_elsewhere(service: Served) -> None:
    for page in ("/docs", "/redoc"):
        text = (await service.anonymous.get(page)).text
        assert "docs-assets/" in text
        assert "//cdn" not in text
    assert (await service.anonymous.get("/docs-assets/swagger-ui-bundle.js")).status_code == 200


async def test_the_document_describes_sign_in_and_errors(service: Served) -> None:
    document = (await service.anonymous.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    flow = document["components"]["securitySchemes"]["OAuth2"]["flows"]["password"]
    assert flow["tokenUrl"] == f"{ISSUER}/auth/token"
    operation = document["paths"]["/notes/once"]["post"]
    assert operation["security"] == [{"OAuth2": ["orders:write"]}]
    assert {"201", "400", "401", "403", "422", "503"} <= operation["responses"].keys()
    assert "HTTPValidationError" not in json.dumps(document)
    assert document["paths"]["/notes/hot"]["post"]["security"] == []
    assert "400" in document["paths"]["/notes"]["get"]["responses"]  # for its cursor
    assert not [path for path in document["paths"] if path.startswith(("/metrics", "/health/consumers"))]
    for action in ("replay", "discard"):
        assert "404" in document["paths"][f"/dead-letters/{{id}}/{action}"]["post"]["responses"]


async def test_metrics_name_the_route_and_never_the_path(service: Served) -> None:
    await service.anonymous.get("/notes/count")
    await service.anonymous.get("/nowhere/an-id-of-somebody")
    text = (await service.operations.get("/metrics")).text
    assert 'http_requests_total{method="GET",route="/notes/count",status="200"}' in text
    assert "an-id-of-somebody" not in text


async def test_only_origins_of_the_setting_are_allowed(service: Served) -> None:
    ask = {"Access-Control-Request-Method": "GET"}
    ours = await service.anonymous.options("/notes/count", headers={"Origin": "http://shop.test", **ask})
    other = await service.anonymous.options("/notes/count", headers={"Origin": "http://evil.test", **ask})
    assert ours.headers["Access-Control-Allow-Origin"] == "http://shop.test"
    assert "Access-Control-Allow-Origin" not in other.headers


async def test_an_unavailable_database_is_reported_and_the_process_stays_alive() -> None:
    app = make(f"postgresql://nobody:x@{NOBODY}/none")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app.router.lifespan_context(app))
        service = Served(app, "", stack)
        for path in ("/notes/hot", "/notes/session"):
            answer = await service.anonymous.post(path, json={"body": "a"})
            assert (answer.status_code, answer.json()["type"]) == (503, "/problems/unavailable"), answer.text
            assert answer.headers["Retry-After"] == "1"
        assert (await service.anonymous.get("/health/live")).status_code == 200
        ready = await service.anonymous.get("/health/ready")
        assert ready.status_code == 503
        assert "can't be reached" in ready.json()["checks"]["database"]
