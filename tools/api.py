"""A client of the five REST APIs, signed in as one account: what the demo data and the replay are made with."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp

from local_stack.errors import StackError

Item = TypeVar("Item")

CONNECTIONS_PER_SERVICE = 24
# Less than the services' own five seconds, so that we never write into a connection that is being closed.
KEEP_ALIVE = 4.0
TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=5)
PAGE = 100
# So long is a request tried again that fails for a reason that may pass.
TIMEOUT_SECONDS = 120.0
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0
# A token is renewed so many seconds before it ends.
RENEW_BEFORE = 60.0
UNAUTHENTICATED, CONFLICT = 401, 409
# Rejected before anything was done.
NOT_YET = frozenset({429, 503})


class ApiError(StackError):
    """An answer that says no; `type` is that of its problem+json."""

    def __init__(self, request: str, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.type = str(problem.get("type", "")).rpartition("/")[2]
        self.problem = problem
        words = problem.get("detail") or problem.get("title") or "no reason given"
        errors = f" {problem['errors']}" if problem.get("errors") else ""
        super().__init__(f"{request} answered {status}: {words}{errors}")


class ApiUnreachable(StackError):
    """No response within the timeout."""


@dataclass(frozen=True, slots=True)
class _Response:
    status: int
    body: Any
    retry_after: float | None


@asynccontextmanager
async def connections() -> AsyncIterator[aiohttp.ClientSession]:
    """Few and kept alive: the client shares its cores with the services."""
    connector = aiohttp.TCPConnector(limit=0, limit_per_host=CONNECTIONS_PER_SERVICE, keepalive_timeout=KEEP_ALIVE)
    async with aiohttp.ClientSession(connector=connector, timeout=TIMEOUT, cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield http


class Api:
    """The five APIs as one account sees them. `urls`: by the service's short name (`order`)."""

    def __init__(self, http: aiohttp.ClientSession, urls: Mapping[str, str], email: str, password: str) -> None:
        self._http = http
        self._urls = urls
        self._email = email
        self._password = password
        self._access = ""
        self._refresh = ""
        self._renew_at = 0.0
        self._signing_in = asyncio.Lock()

    def signed_in_as(self, email: str, password: str) -> "Api":
        return Api(self._http, self._urls, email, password)

    async def get(self, service: str, path: str, **params: Any) -> Any:
        return await self._call(service, "GET", path, params=_flat(params), repeatable=True)

    async def pages(self, service: str, path: str, **params: Any) -> AsyncIterator[list[Any]]:
        """A list, page by page."""
        cursor: dict[str, str] = {}
        while True:
            page = await self.get(service, path, limit=PAGE, **params, **cursor)
            yield page["items"]
            if not page["next"]:
                return
            cursor = {"cursor": page["next"]}

    async def all(self, service: str, path: str, **params: Any) -> list[Any]:
        return [item async for page in self.pages(service, path, **params) for item in page]

    async def post(
        self,
        service: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        prefer: str | None = None,
        if_match: int | None = None,
        repeatable: bool = False,
        wait_for: Iterable[str] = (),
    ) -> Any:
        """`key`: the Idempotency-Key, which makes it repeatable. `wait_for`: types of `409` that pass by themselves
        (an event is still on its way)."""
        headers = {"Idempotency-Key": key, "Prefer": prefer, "If-Match": None if if_match is None else f'"{if_match}"'}
        return await self._call(
            service,
            "POST",
            path,
            body=body,
            headers={name: value for name, value in headers.items() if value is not None},
            repeatable=repeatable or key is not None,
            wait_for=frozenset(wait_for) | {"idempotency-key-in-use"},
        )

    async def patch(self, service: str, path: str, body: Any, *, if_match: int) -> Any:
        return await self._call(service, "PATCH", path, body=body, headers={"If-Match": f'"{if_match}"'})

    async def _call(
        self,
        service: str,
        method: str,
        path: str,
        *,
        params: list[tuple[str, str]] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = False,
        wait_for: frozenset[str] = frozenset(),
    ) -> Any:
        """Raises: ApiError, ApiUnreachable."""
        url, data = self._urls[service] + path, None if body is None else json.dumps(body).encode()
        deadline, pause, renewed = time.monotonic() + TIMEOUT_SECONDS, FIRST_PAUSE, False
        while True:
            token = await self._token()
            sent = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **(headers or {})}
            try:
                answer = await self._send(method, url, params=params, data=data, headers=sent)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                rejected = isinstance(error, aiohttp.ClientConnectorError)
                if not (repeatable or rejected) or time.monotonic() > deadline:
                    raise ApiUnreachable(
                        f"{method} {url} gets no answer: {error!r}. Does `make status` show it?"
                    ) from error
                answer = _Response(0, None, None)
            if 200 <= answer.status < 300:
                return answer.body
            if answer.status == UNAUTHENTICATED and not renewed:
                renewed = True
                await self._renew(token)
                continue
            if not _may_pass(answer, repeatable, wait_for) or time.monotonic() > deadline:
                raise ApiError(f"{method} {url}", answer.status, answer.body or {})
            await asyncio.sleep(min(answer.retry_after or pause, LONGEST_PAUSE) * random.uniform(0.8, 1.2))
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _send(self, method: str, url: str, **request: Any) -> _Response:
        async with self._http.request(method, url, **request) as response:
            raw = await response.read()
            kind = response.content_type
            body = json.loads(raw) if raw and kind.endswith("json") else None
            after = response.headers.get("Retry-After", "")
            return _Response(response.status, body, float(after) if after.isdigit() else None)

    # --- the token ---

    async def _token(self) -> str:
        if time.monotonic() >= self._renew_at:
            await self._renew(self._access)
        return self._access

    async def _renew(self, old: str) -> None:
        """A new pair of tokens, unless somebody else got one meanwhile. Raises: ApiError, ApiUnreachable."""
        async with self._signing_in:
            if self._access != old:
                return
            refreshing = {"grant_type": "refresh_token", "refresh_token": self._refresh}
            if not (self._refresh and await self._sign_in(refreshing, must=False)):
                password = {"grant_type": "password", "username": self._email, "password": self._password}
                await self._sign_in(password, must=True)

    async def _sign_in(self, form: Mapping[str, str], *, must: bool) -> bool:
        url, deadline, pause = f"{self._urls['user']}/auth/token", time.monotonic() + TIMEOUT_SECONDS, FIRST_PAUSE
        while True:
            try:
                answer = await self._send("POST", url, data=form)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                if time.monotonic() > deadline:
                    raise ApiUnreachable(f"{url} gets no answer: {error!r}. Does `make status` show it?") from error
                answer = _Response(503, None, None)
            if answer.status == 200:
                self._access, self._refresh = answer.body["access_token"], answer.body["refresh_token"]
                self._renew_at = time.monotonic() + max(answer.body["expires_in"] - RENEW_BEFORE, 1)
                return True
            if answer.status not in NOT_YET or time.monotonic() > deadline:
                if must:
                    raise ApiError(f"Signing in as {self._email}", answer.status, answer.body or {})
                return False
            await asyncio.sleep(min(answer.retry_after or pause, LONGEST_PAUSE))
            pause = min(pause * 2, LONGEST_PAUSE)


def _may_pass(answer: _Response, repeatable: bool, wait_for: frozenset[str]) -> bool:
    if answer.status == CONFLICT:
        return str((answer.body or {}).get("type", "")).rpartition("/")[2] in wait_for
    return answer.status in NOT_YET or (repeatable and (answer.status == 0 or answer.status >= 500))


def _flat(params: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A list stands once for each of its values."""
    return [
        (name, str(each).lower() if isinstance(each, bool) else str(each))
        for name, value in params.items()
        for each in (value if isinstance(value, list | tuple) else [value])
    ]


async def for_each(items: Iterable[Item], work: Callable[[Item], Awaitable[None]], *, at_once: int) -> None:
    """`work` on every item, so many at a time; the first failure ends all."""
    todo = iter(items)

    async def worker() -> None:
        for item in todo:
            await work(item)

    workers = [asyncio.create_task(worker()) for _ in range(at_once)]
    try:
        await asyncio.gather(*workers)
    finally:
        for each in workers:
            each.cancel()
