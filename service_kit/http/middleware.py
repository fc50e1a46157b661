"""What surrounds every request, in pure ASGI: ids, trace, log line, metrics, body limit, last net for errors."""

import time
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service_kit.database.faults import database_is_away, may_be_retried
from service_kit.http.answers import problem_response
from service_kit.ids import uuid7
from service_kit.problems import Problem, Unavailable
from service_kit.telemetry import metrics
from service_kit.telemetry.tracing import continue_trace

log = structlog.get_logger("http")

QUIET_PATHS = ("/health/", "/metrics")
SAFE_ID = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


class BodyTooLarge(Problem, status=413, type="body-too-large"):
    """The body may have at most {limit} bytes: send less at a time."""


class RequestMiddleware:
    """Wraps the application."""

    def __init__(self, app: ASGIApp, *, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        request_id = _request_id(headers.get(b"x-request-id"))
        answer = _Answer(send, request_id)
        started = time.perf_counter()
        metrics.IN_FLIGHT.inc()
        with continue_trace(headers.get(b"traceparent", b"").decode("latin-1")):
            structlog.contextvars.bind_contextvars(request_id=request_id)
            try:
                await self._serve(scope, _Limited(receive, headers, self._max_body_bytes), answer)
            finally:
                metrics.IN_FLIGHT.dec()
                _record(scope, answer.status, time.perf_counter() - started)
                structlog.contextvars.clear_contextvars()

    async def _serve(self, scope: Scope, receive: "_Limited", answer: "_Answer") -> None:
        try:
            receive.check_declared_length()
            await self._app(scope, receive, answer)
        except Exception as error:
            problem = _as_problem(error)
            if problem.status == 500:
                log.exception("request_failed", method=scope["method"], path=scope["path"])
            elif problem.status == 503:
                log.warning("dependency_away", error=repr(error), path=scope["path"])
            if answer.status is not None:
                raise  # half an answer is out: only cutting the connection can tell the caller
            await problem_response(problem, scope["path"])(scope, receive, answer)


class _Answer:
    """`send`, with the headers that every answer has; remembers the status."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._headers = [(b"x-request-id", request_id.encode()), (b"x-content-type-options", b"nosniff")]
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), *self._headers]
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
    if database_is_away(error) or may_be_retried(error):
        return Unavailable(what="The database", retry_after=1)
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
