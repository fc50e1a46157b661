"""What surrounds every request, in pure ASGI: ids, trace, log line, metrics, body limit, last net for errors."""

import time
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service_kit.database.faults import database_is_away, is_unstorable_text, may_be_retried
from service_kit.http.answers import problem_response
from service_kit.http.headers import Headers, check_size, of_every_answer, with_defaults
from service_kit.ids import uuid7
from service_kit.problems import Busy, InvalidRequest, Problem, Unavailable
from service_kit.runtime import Runtime
from service_kit.telemetry import metrics
from service_kit.telemetry.tracing import continue_trace

log = structlog.get_logger("http")

QUIET_PATHS = ("/health/", "/metrics")
CONNECTION_ENDS = (b"connection", b"close")
SAFE_ID = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


class BodyTooLarge(Problem, status=413, type="body-too-large"):
    """The body may have at most {limit} bytes: send less at a time."""


class Overloaded(Problem, status=503, type="overloaded"):
    """There is more to do at once than this process takes on: try again in a moment."""


class RequestMiddleware:
    """Wraps the application."""

    def __init__(self, app: ASGIApp, *, runtime: Runtime) -> None:
        self._app = app
        self._runtime = runtime
        self._max_body_bytes = runtime.settings.max_body_bytes
        self._most_in_flight = runtime.settings.max_requests_in_flight
        self._in_flight = 0
        self._always = of_every_answer(runtime.settings.public_issuer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        request_id = _request_id(headers.get(b"x-request-id"))
        answer = _Answer(send, request_id, self._headers(), is_personal=b"authorization" in headers)
        started = time.perf_counter()
        metrics.IN_FLIGHT.inc()
        self._in_flight += 1
        with continue_trace(headers.get(b"traceparent", b"").decode("latin-1")):
            structlog.contextvars.bind_contextvars(request_id=request_id)
            try:
                await self._serve(scope, _Limited(receive, headers, self._max_body_bytes), answer)
            finally:
                metrics.IN_FLIGHT.dec()
                self._in_flight -= 1
                _record(scope, answer.status, time.perf_counter() - started)
                structlog.contextvars.clear_contextvars()

    def _headers(self) -> Headers:
        """Who is told that the connection ends opens the next one elsewhere, before we are gone."""
        return [*self._always, CONNECTION_ENDS] if self._runtime.is_leaving else self._always

    async def _serve(self, scope: Scope, receive: "_Limited", answer: "_Answer") -> None:
        try:
            if self._in_flight > self._most_in_flight and not scope["path"].startswith(QUIET_PATHS):
                raise Overloaded(retry_after=1)
            check_size(scope["headers"], len(scope["raw_path"]) + len(scope["query_string"]))
            receive.check_declared_length()
            await self._app(scope, receive, answer)
        except Exception as error:
            problem = _as_problem(error)
            if problem.status == 500:
                log.exception("request_failed", method=scope["method"], path=scope["path"])
            elif problem.status == 503 and not isinstance(problem, Overloaded):
                log.warning("dependency_away", error=repr(error), path=scope["path"])
            if answer.status is not None:
                raise  # half an answer is out: only cutting the connection can tell the caller
            await problem_response(problem, scope["path"])(scope, receive, answer)


class _Answer:
    """`send`, with the headers that every answer has; remembers the status."""

    def __init__(self, send: Send, request_id: str, always: Headers, *, is_personal: bool) -> None:
        self._send = send
        self._headers = [(b"x-request-id", request_id.encode()), *always]
        self._is_personal = is_personal
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = list(message.get("headers", ()))
            message["headers"] = [*own, *with_defaults(own, is_personal=self._is_personal), *self._headers]
        await self._send(message)


class _Limited:
    """`receive`, refusing a body above the limit whether or not its length was declared."""

    def __init__(self, receive: Receive, headers: dict[bytes, bytes], limit: int) -> None:
        self._receive = receive
        self._declared = headers.get(b"content-length", b"0")
        self._limit = limit
        self._seen = 0

    def check_declared_length(self) -> None:
        if self._declared.isdigit() and int(self._declared) > self._limit:
            raise BodyTooLarge(limit=self._limit)

    async def __call__(self) -> Message:
        message = await self._receive()
        self._seen += len(message.get("body", b""))
        if self._seen > self._limit:
            raise BodyTooLarge(limit=self._limit)
        return message


def _request_id(given: bytes | None) -> str:
    """The caller's own id where it is short and harmless (it goes into logs), else a new one."""
    text = (given or b"").decode("latin-1")
    return text if 0 < len(text) <= 64 and SAFE_ID.issuperset(text) else str(uuid7())


def _as_problem(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if database_is_away(error):
        return Unavailable(what="The database", retry_after=1)
    if may_be_retried(error):
        return Busy(retry_after=1)
    if is_unstorable_text(error):
        return InvalidRequest(reason="a text contains a NUL character or half a surrogate pair")
    return Problem("Something went wrong on our side; the request id in X-Request-Id helps us to find it.")


def _record(scope: Scope, status: int | None, seconds: float) -> None:
    path: str = scope["path"]
    route = _route_template(scope)
    count, duration = metrics.of_request(scope["method"], route, status or 499)
    count.inc()
    duration.observe(seconds)
    if not path.startswith(QUIET_PATHS):
        log.info("request", method=scope["method"], path=path, status=status, ms=round(seconds * 1000, 2))


def _route_template(scope: dict[str, Any] | Scope) -> str:
    """The route's path with its parameters' names, never the path itself: ids would make endless metrics."""
    route = scope.get("route")
    return str(getattr(route, "path_format", None) or getattr(route, "path", None) or "unknown")
