"""For callers, a hot route behaves like an ordinary route."""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import Depends, FastAPI, Header, Query, Request, Response
from pydantic import Field

from service_kit.http.application import create_app
from service_kit.http.hot_route import hot_route
from service_kit.http.idempotency import IdempotencyKey
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Connection
from service_kit.problems import Problem
from service_kit.schemas import RequestBody
from service_kit.security import PUBLIC_OR_SIGNED_IN, MaybePrincipal, Principal, Requires
from service_kit.settings import ServiceSettings
from service_kit.telemetry import exposition
from tests.harness import tokens
from tests.harness.service import NO_PERSONAL_DATA, NOBODY


class Settings(ServiceSettings, service="note"):
    pass


class Conflict(Problem, status=409, type="conflict"):
    """{reason}."""


class Note(RequestBody):
    body: str = Field(max_length=10)
    copies: int = Field(default=1, ge=1)


async def _page(
    who: MaybePrincipal,
    size: Annotated[int, Query(ge=1, le=9, description="how many")] = 3,
    tag: Annotated[str | None, Query(alias="Tag")] = None,
) -> tuple[bool, int, str | None]:
    return who is not None, size, tag


async def write(
    note: Note,
    who: Annotated[Principal, Requires("orders:write")],
    key: IdempotencyKey,
    request: Request,
    prefer: Annotated[str | None, Header(description="RFC 7240")] = None,
) -> Response:
    if note.body == "conflict":
        raise Conflict(reason="so it is")
    published = [note.model_dump(), str(who.user_id), key.value, key.body_hash.hex(), prefer]
    return Response(json.dumps(published), 201, media_type="application/json")


async def read(
    note_id: UUID, page: Annotated[tuple[bool, int, str | None], Depends(_page)], if_match: Annotated[str, Header()]
) -> Response:
    return Response(json.dumps([str(note_id), *page, if_match]), media_type="application/json")


def routers() -> list[Router]:
    hot, plain = Router(prefix="/hot", tags=["hot"]), Router(prefix="/plain", tags=["plain"])
    post: dict[str, Any] = {"status_code": 201, "response_model": Note, "responses": problems(Conflict)}
    get: dict[str, Any] = {"summary": "Read it", "openapi_extra": PUBLIC_OR_SIGNED_IN}
    hot_route(hot, "POST", "", **post)(write)
    hot_route(hot, "GET", "/{note_id}", **get)(read)
    plain.post("", **post)(write)
    plain.get("/{note_id}", **get)(read)
    return [hot, plain]


@pytest.fixture(scope="module")
def app() -> FastAPI:
    settings = Settings(
        port=0, environment="development", service_role="api", log_level="ERROR", max_body_bytes=1000,
        database_url=f"postgresql://nobody:x@{NOBODY}/none", kafka_bootstrap_servers=NOBODY,
        public_issuer=tokens.ISSUER,
    )  # fmt: skip
    app = create_app(
        settings, title="Notes", description="For tests.", routers=routers(), personal_data=NO_PERSONAL_DATA
    )
    app.state.runtime.keys._use(tokens.key_set())
    return app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service.test") as client:
        yield client


async def same(client: httpx.AsyncClient, method: str, path: str, **request: Any) -> httpx.Response:
    """Sends the request to both routes, and requires the same response except for the path in it."""
    hot, plain = [await client.request(method, prefix + path, **request) for prefix in ("/hot", "/plain")]
    assert hot.status_code == plain.status_code
    assert hot.text.replace("/hot", "/plain") == plain.text
    assert _published(hot) == _published(plain)
    return hot


def _published(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in ("x-request-id", "content-length")}


def signed_in(**headers: str) -> dict[str, str]:
    token = tokens.token(role="User", user_id=UUID(int=7))
    return {"Authorization": f"Bearer {token}", "Idempotency-Key": "a-key", **headers}


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("status", "request_"),
    [
        (201, {"json": {"body": "a"}, "headers": signed_in(Prefer="wait=1")}),
        (201, {"json": {"copies": 2, "body": "a"}, "headers": signed_in()}),
        (422, {"json": {"copies": "2", "body": "a"}, "headers": signed_in()}),
        (422, {"json": {"copies": True, "body": "a"}, "headers": signed_in()}),
        (422, {"json": {"body": "a", "copy": 2}, "headers": signed_in()}),
        (422, {"json": {"body": "a"}, "headers": signed_in(), "params": {"copies": "2"}}),
        (422, {"json": {"body": [[[[["a"]]]]]}, "headers": signed_in()}),
        (201, {"content": b' {"body":\n"\xc3\xa9"} ', "headers": signed_in(**JSON)}),
        (
            201,
            {"content": b'{"body": "a"}', "headers": signed_in(**{"Content-Type": "application/json; a=b"})},
        ),
        (409, {"json": {"body": "conflict"}, "headers": signed_in()}),
        (401, {"json": {"body": "a"}}),
        (401, {"json": {"body": 1}, "headers": {"Authorization": "Bearer x"}}),
        (403, {"json": {"body": 1}, "headers": {"Authorization": f"Bearer {tokens.token()}"}}),
        (400, {"content": b"{", "headers": JSON}),
        (400, {"content": b"{", "headers": signed_in(**JSON)}),
        (400, {"json": {"body": "a"}, "headers": signed_in(**{"Idempotency-Key": ""})}),
        (400, {"json": {"body": 1}, "headers": signed_in(**{"Idempotency-Key": "x" * 256})}),
        (422, {"json": {"body": 1}, "headers": signed_in()}),
        (422, {"json": {"body": "far too long", "copies": 0}, "headers": signed_in()}),
        (422, {"json": None, "headers": signed_in()}),
        (422, {"json": [], "headers": signed_in()}),
        (422, {"content": b"", "headers": signed_in(**JSON)}),
        (422, {"content": b'{"body": "a"}', "headers": signed_in(**{"Content-Type": "text/plain"})}),
        (413, {"content": b'{"body": "' + b"a" * 1000 + b'"}', "headers": signed_in(**JSON)}),
    ],
)
async def test_a_hot_route_with_a_body_responds_like_an_ordinary_one(
    client: httpx.AsyncClient, status: int, request_: dict[str, Any]
) -> None:
    assert (await same(client, "POST", "", **request_)).status_code == status


async def test_a_body_that_exceeds_the_limit_is_rejected(client: httpx.AsyncClient) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"a" * 100

    for prefix in ("/hot", "/plain"):
        answer = await client.post(prefix, content=parts(), headers=signed_in(**JSON))
        assert (answer.status_code, answer.json()["type"]) == (413, "/problems/body-too-large")


@pytest.mark.parametrize(
    ("status", "path", "headers"),
    [
        (200, f"/{UUID(int=1)}", {"If-Match": "1"}),
        (200, f"/{UUID(int=1)}?size=5&Tag=a", {"If-Match": "1", **signed_in()}),
        (200, f"/{UUID(int=1).hex}", {"If-Match": ""}),
        (422, f"/{UUID(int=1)}?size=5&Tag=a&tag=b", {"If-Match": "1", **signed_in()}),
        (422, f"/{UUID(int=1)}?size=5&size=6", {"If-Match": "1"}),
        (422, f"/{UUID(int=1).hex}?unknown=1", {"If-Match": ""}),
        (422, f"/{UUID(int=1).hex}?", {}),
        (422, f"/{UUID(int=1)}", {}),
        (422, f"/{UUID(int=1)}?size=10", {}),
        (422, "/x?size=y", {"If-Match": "1"}),
        (401, "/x?size=y", {"Authorization": "Bearer x"}),
        (404, f"/{UUID(int=1)}/more", {}),
    ],
)
async def test_a_hot_route_without_a_body_responds_like_an_ordinary_one(
    client: httpx.AsyncClient, status: int, path: str, headers: dict[str, str]
) -> None:
    assert (await same(client, "GET", path, headers=headers)).status_code == status


@pytest.mark.parametrize(
    "path", [f"/{UUID(int=1)}?size=5", f"/{UUID(int=1)}?size=10", f"/{UUID(int=1)}?unknown=1", "/x/y/z"]
)
async def test_head_is_get_without_the_body(client: httpx.AsyncClient, path: str) -> None:
    headers = {"If-Match": "1"}
    head = await same(client, "HEAD", path, headers=headers)
    read = await client.get(f"/hot{path}", headers=headers)
    assert (head.status_code, head.content) == (read.status_code, b"")
    assert _published(head) == _published(read)
    assert head.headers["Content-Length"] in (
        str(len(read.content)),
        str(len(read.content) + len("plain") - len("hot")),
    )


async def test_head_without_a_get_route_is_rejected(client: httpx.AsyncClient) -> None:
    answer = await same(client, "HEAD", "")
    assert (answer.status_code, answer.headers["Allow"], answer.content) == (405, "POST", b"")


async def test_an_unknown_method_is_rejected(client: httpx.AsyncClient) -> None:
    assert (await same(client, "DELETE", "")).status_code == 405


async def test_a_hot_route_has_the_usual_openapi_entry(app: FastAPI) -> None:
    paths = app.openapi()["paths"]
    for path in ("", "/{note_id}"):
        hot, plain = (json.dumps(paths[f"/{name}{path}"]) for name in ("hot", "plain"))
        assert hot.replace("hot", "plain") == plain
    assert paths["/hot"]["post"]["security"] == [{"OAuth2": ["orders:write"]}]


async def test_metrics_of_a_hot_route_have_its_path(client: httpx.AsyncClient) -> None:
    await client.get(f"/hot/{uuid4()}", headers={"If-Match": "1"})
    assert 'route="/hot/{note_id}"' in (await exposition.text()).decode()


def test_unsupported_signatures_are_rejected_at_start_up() -> None:
    router = Router()

    async def yields(connection: Connection) -> Response:
        return Response()

    async def answers_a_model(note: Note) -> Note:
        return note

    async def fills_in(response: Response) -> Response:
        return response

    for endpoint in (yields, answers_a_model, fills_in):
        with pytest.raises(TypeError):
            hot_route(router, "GET", "/x")(endpoint)  # type: ignore[type-var]
    with pytest.raises(TypeError):
        hot_route(Router(dependencies=[Requires("orders:write")]), "GET", "/x")
