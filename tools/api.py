"""A client of the five REST APIs, signed in as one account; the demo data and the replay use it."""

import asyncio
import json
import math
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohttp

from local_stack.errors import StackError

Item = TypeVar("Item")

CONNECTIONS_PER_SERVICE = 24
# Shorter than the services' own timeout, so that no request is sent on a connection that they are closing.
KEEP_ALIVE = 4.0
TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=5)
PAGE = 100
# For so long a request is repeated after temporary failures.
TIMEOUT_SECONDS = 120.0
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0
# A token is renewed so many seconds before it expires.
RENEW_BEFORE = 60.0
OK, UNAUTHENTICATED, CONFLICT, SERVER_ERROR = 200, 401, 409, 500
NO_RESPONSE = (aiohttp.ClientError, TimeoutError, OSError)
# The service has rejected the request without any effect, and may accept it later.
RETRYABLE = frozenset({429, 503})


class ApiError(StackError):
    """An error response; `type` is that of its problem+json."""

    def __init__(self, request: str, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.type = _problem_type(problem)
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
    """Few connections, kept alive, because the client shares its cores with the services."""
    connector = aiohttp.TCPConnector(limit=0, limit_per_host=CONNECTIONS_PER_SERVICE, keepalive_timeout=KEEP_ALIVE)
    async with aiohttp.ClientSession(connector=connector, timeout=TIMEOUT, cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield http


class Api:
    """The five APIs with the tokens of one account. `urls`: by the service's short name (`order`).

    `failed`: the attempts without a response, or with one of 500 or more, even if a repetition succeeded.
    """

    def __init__(self, http: aiohttp.ClientSession, urls: Mapping[str, str], email: str, password: str) -> None:
        self._http = http
        self._urls = urls
        self._email = email
        self._password = password
        self.failed: Counter[str] = Counter()
        self._access = ""
        self._refresh = ""
        self._renew_at = 0.0
        self._signing_in = asyncio.Lock()

    def signed_in_as(self, email: str, password: str) -> "Api":
        return Api(self._http, self._urls, email, password)

    async def get(self, service: str, path: str, **params: Any) -> Any:
        return await self._call(service, "GET", path, repeatable=True, params=_flat(params))

    async def pages(self, service: str, path: str, **params: Any) -> AsyncIterator[list[Any]]:
        """The pages of a list."""
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
        wait_for: Collection[str] = (),
    ) -> Any:
        """`key`: the Idempotency-Key, which makes the request repeatable. `wait_for`: types of `409` that are temporary
        until an event has arrived. Raises: ApiError, ApiUnreachable."""
        headers = {"Idempotency-Key": key, "Prefer": prefer, "If-Match": None if if_match is None else f'"{if_match}"'}
        given = {name: value for name, value in headers.items() if value is not None}
        data = None if body is None else json.dumps(body).encode()
        is_repeatable = repeatable or key is not None
        return await self._call(service, "POST", path, is_repeatable, wait_for, data=data, headers=given)

    async def put(self, service: str, path: str, body: Any) -> Any:
        """Raises: ApiError, ApiUnreachable."""
        return await self._call(service, "PUT", path, repeatable=True, data=json.dumps(body).encode())

    async def patch(self, service: str, path: str, body: Any) -> Any:
        """Raises: ApiError, ApiUnreachable."""
        return await self._call(service, "PATCH", path, repeatable=True, data=json.dumps(body).encode())

    async def upload(
        self, service: str, path: str, content: bytes, media_type: str = "application/octet-stream"
    ) -> Any:
        """Sends a file as it is, to an operation that takes the same file twice as one. Raises: ApiError,
        ApiUnreachable."""
        headers = {"Content-Type": media_type}
        return await self._call(service, "POST", path, repeatable=True, data=BytesIO(content), headers=headers)

    async def find_or_create(self, service: str, path: str, body: Any, **query: Any) -> str:
        """The id of the first item that the query finds, or else of one that is created from `body`."""
        found = await self.all(service, path, **query) or [await self.post(service, path, body)]
        return str(found[0]["id"])

    async def _call(
        self, service: str, method: str, path: str, repeatable: bool, wait_for: Collection[str] = (), **request: Any
    ) -> Any:
        """Raises: ApiError, ApiUnreachable."""
        url, token = self._urls[service] + path, ""
        headers = {"Content-Type": "application/json", **request.pop("headers", {})}

        async def send() -> _Response:
            nonlocal token
            token = await self._token()
            return await self._send(method, url, headers={**headers, "Authorization": f"Bearer {token}"}, **request)

        def may_pass(answer: _Response) -> bool:
            if answer.status == CONFLICT:
                return _problem_type(answer.body or {}) in (*wait_for, "idempotency-key-in-use")
            return answer.status in RETRYABLE or (repeatable and answer.status >= SERVER_ERROR)

        answer = await _retried(send, f"{method} {url}", may_pass, repeatable)
        if answer.status == UNAUTHENTICATED:
            await self._renew(token)
            answer = await _retried(send, f"{method} {url}", may_pass, repeatable)
        if not 200 <= answer.status < 300:
            raise ApiError(f"{method} {url}", answer.status, answer.body or {})
        return answer.body

    async def _send(self, method: str, url: str, **request: Any) -> _Response:
        try:
            async with self._http.request(method, url, **request) as response:
                raw = await response.read()
        except NO_RESPONSE as error:
            self.failed[f"{method} {_first_of_path(url)}: {type(error).__name__}"] += 1
            raise
        body = json.loads(raw) if raw and response.content_type.endswith("json") else None
        if response.status >= SERVER_ERROR:
            self.failed[f"{method} {_first_of_path(url)}: {response.status} {_problem_type(body or {})}".rstrip()] += 1
        after = response.headers.get("Retry-After", "")
        return _Response(response.status, body, float(after) if after.isdigit() else None)

    # --- the token ---

    async def _token(self) -> str:
        if time.monotonic() >= self._renew_at:
            await self._renew(self._access)
        return self._access

    async def _renew(self, old: str) -> None:
        """Gets new tokens, unless a concurrent request already did. Raises: ApiError, ApiUnreachable."""
        async with self._signing_in:
            if self._access != old:
                return
            refreshing = {"grant_type": "refresh_token", "refresh_token": self._refresh}
            if self._refresh and (await self._sign_in(refreshing)).status == OK:
                return
            answer = await self._sign_in(
                {"grant_type": "password", "username": self._email, "password": self._password}
            )
            if answer.status != OK:
                raise ApiError(f"Signing in as {self._email}", answer.status, answer.body or {})

    async def _sign_in(self, form: Mapping[str, str]) -> _Response:
        url = f"{self._urls['user']}/auth/token"
        answer = await _retried(lambda: self._send("POST", url, data=form), url, lambda each: each.status in RETRYABLE)
        if answer.status == OK:
            self._access, self._refresh = answer.body["access_token"], answer.body["refresh_token"]
            self._renew_at = time.monotonic() + max(answer.body["expires_in"] - RENEW_BEFORE, 1)
        return answer


async def _retried(
    send: Callable[[], Awaitable[_Response]],
    request: str,
    may_pass: Callable[[_Response], bool],
    repeatable: bool = True,
) -> _Response:
    """Sends the request until the response is final, or the time is up. Raises: ApiUnreachable."""
    deadline, pause = time.monotonic() + TIMEOUT_SECONDS, FIRST_PAUSE
    while True:
        retry_after = None
        try:
            answer = await send()
        except NO_RESPONSE as error:
            was_not_sent = isinstance(error, aiohttp.ClientConnectorError)
            if not (repeatable or was_not_sent) or time.monotonic() > deadline:
                raise ApiUnreachable(f"{request} gets no answer: {error!r}. Does `make status` show it?") from error
        else:
            if not may_pass(answer) or time.monotonic() > deadline:
                return answer
            retry_after = answer.retry_after
        await asyncio.sleep(min(retry_after or pause, LONGEST_PAUSE) * random.uniform(0.8, 1.2))
        pause = min(pause * 2, LONGEST_PAUSE)


def _first_of_path(url: str) -> str:
    """`/orders` of any URL below it, so that failures of the same kind are counted together."""
    return f"/{urlsplit(url).path.split('/')[1]}"


def _problem_type(problem: Mapping[str, Any]) -> str:
    return str(problem.get("type", "")).rpartition("/")[2]


def _flat(params: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The query parameters; a list becomes one parameter for each of its values."""
    return [
        (name, str(each).lower() if isinstance(each, bool) else str(each))
        for name, value in params.items()
        for each in (value if isinstance(value, list | tuple) else [value])
    ]


async def for_each(items: Iterable[Item], work: Callable[[Item], Awaitable[None]], *, at_once: int) -> None:
    """Runs `work` on every item, at most `at_once` at a time; the first failure cancels the rest."""
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


async def poll(
    read: Callable[[], Awaitable[Item]], is_final: Callable[[Item], bool], *, seconds: float = math.inf
) -> Item:
    """Reads until the value is final, with growing pauses. After `seconds`, returns the last value."""
    deadline, pause = time.monotonic() + seconds, FIRST_PAUSE
    while not is_final(found := await read()) and time.monotonic() < deadline:
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 0.5)
    return found
