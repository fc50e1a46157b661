"""ASGI middleware around every request: request id, trace, log line, metrics, limits, and handling of errors."""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager

import structlog
from opentelemetry.trace import Span
from starlette.datastructures import Headers as RequestHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service_kit.audit import actor
from service_kit.database.faults import database_is_unavailable, is_unstorable_text, may_be_retried
from service_kit.http.capacity import WAITED, Capacity, Overloaded
from service_kit.http.headers import Headers, ResponseHeaders, check_size, with_defaults
from service_kit.http.json_request import BodyRead
from service_kit.http.problem_responses import problem_response
from service_kit.ids import uuid7
from service_kit.problems import Busy, InvalidRequest, Problem, Unavailable
from service_kit.runtime import Runtime
from service_kit.telemetry import caller, metrics
from service_kit.telemetry.tracing import continue_trace, mark_failed, span_of_request

log = structlog.get_logger("http")

QUIET_PATHS = ("/health/", "/metrics")
CONNECTION_ENDS = (b"connection", b"close")
SAFE_ID = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
CLIENT_DISCONNECTED = 499
PREFLIGHT_SECONDS = 600


class BodyTooLarge(Problem, status=413, type="body-too-large"):
    """The body may have at most {limit} bytes: send less at a time."""


class RequestMiddleware:
    def __init__(self, app: ASGIApp, *, runtime: Runtime, streamed: frozenset[tuple[str, str]] = frozenset()) -> None:
        self._app = app
        self._runtime = runtime
        self._streamed = streamed
        self._max_body_bytes = runtime.settings.max_body_bytes
        self._capacity: Capacity = runtime.capacity
        origins = runtime.settings.cors_origins
        self._headers = ResponseHeaders(runtime.settings.public_issuer, origins)
        self._preflight = _preflight(app, origins) if origins else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        request_id = _request_id(headers.get(b"x-request-id"))
        answer = _Response(send, request_id, self._always(headers), is_personal=b"authorization" in headers)
        started = time.perf_counter()
        metrics.IN_FLIGHT.inc()
        with _traced(scope, headers) as span:
            structlog.contextvars.bind_contextvars(request_id=request_id)
            try:
                await self._serve(scope, headers, receive, answer)
            finally:
                metrics.IN_FLIGHT.dec()
                _record(scope, answer.status, time.perf_counter() - started, span)
                structlog.contextvars.clear_contextvars()
                caller.current.set(None)
                actor.forget()

    def _always(self, headers: dict[bytes, bytes]) -> Headers:
        """Headers of every response. While draining, `Connection: close` makes clients reconnect to other processes."""
        always = self._headers.for_origin(headers.get(b"origin"))
        return [*always, CONNECTION_ENDS] if self._runtime.is_draining else always

    async def _serve(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, answer: "_Response") -> None:
        try:
            if self._preflight is not None and _is_preflight(scope, headers):
                response = self._preflight.preflight_response(request_headers=RequestHeaders(scope=scope))
                await response(scope, receive, answer.without_cors())
            elif scope["path"].startswith(QUIET_PATHS):
                check_size(scope["headers"], len(scope["raw_path"]) + len(scope["query_string"]))
                await self._app(scope, receive, answer)
            else:
                await self._serve_in_place(scope, headers, receive, answer)
        except (_ClientDisconnected, ClientDisconnect):
            answer.status = scope.get("refused", CLIENT_DISCONNECTED)
        except Exception as error:
            problem = _as_problem(error)
            if problem.status == 500:
                log.exception("request_failed", method=scope["method"], path=scope["path"])
            elif problem.status == 503 and not isinstance(problem, Overloaded):
                log.warning("dependency_unavailable", error=repr(error), path=scope["path"])
            if answer.status is not None:
                raise  # the response has begun: only closing the connection can tell the caller
            await problem_response(problem, scope["path"])(scope, receive, answer)

    async def _serve_in_place(
        self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, answer: "_Response"
    ) -> None:
        capacity = self._capacity
        if capacity.taken >= capacity.most:  # rejects the request before its body is read
            raise Overloaded(retry_after=1)
        check_size(scope["headers"], len(scope["raw_path"]) + len(scope["query_string"]))
        has_body = b"content-length" in headers or b"transfer-encoding" in headers
        if has_body and (scope["method"], scope["path"]) not in self._streamed:
            receive = BodyRead(await self._body(headers, receive), receive)
            if capacity.taken >= capacity.most:
                raise Overloaded(retry_after=1)
        capacity.taken += 1
        try:
            await self._app(scope, receive, answer)
        finally:
            capacity.taken -= 1

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        """Reads the whole body. Raises: BodyTooLarge, whether or not its length was declared."""
        limit = self._max_body_bytes
        declared = headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > limit:
            raise BodyTooLarge(limit=limit)
        parts: list[bytes] = []
        length = counted = 0
        try:
            while (message := await receive())["type"] != "http.disconnect":
                parts.append(message.get("body", b""))
                length += len(parts[-1])
                if length > limit:
                    raise BodyTooLarge(limit=limit)
                if not message.get("more_body"):
                    return b"".join(parts)
                more, counted = length - counted, length
                self._capacity.buffer(more)
            raise _ClientDisconnected
        finally:
            self._capacity.buffered -= counted


class _ClientDisconnected(Exception):
    """The client disconnected before its request was complete."""


class _Response:
    """Wraps `send`: adds the headers that every response has, and remembers the status."""

    def __init__(self, send: Send, request_id: str, always: Headers, *, is_personal: bool) -> None:
        self._send = send
        self._headers = [(b"x-request-id", request_id.encode()), *always]
        self._is_personal = is_personal
        self.status: int | None = None

    def without_cors(self) -> "_Response":
        """Used for the response to a preflight, whose CORS headers are those of Starlette's middleware."""
        self._headers = [each for each in self._headers if each[0] != b"vary" and not each[0].startswith(b"access-")]
        return self

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = list(message.get("headers", ()))
            message["headers"] = [*own, *with_defaults(own, self._headers, is_personal=self._is_personal)]
        await self._send(message)


def _preflight(app: ASGIApp, origins: Sequence[str]) -> CORSMiddleware:
    """Starlette's middleware, of which only the response to preflights is used, even while the process is full: after a
    rejected preflight a script can't see why its request failed."""
    return CORSMiddleware(
        app, allow_origins=origins, allow_methods=["*"], allow_headers=["*"], max_age=PREFLIGHT_SECONDS
    )


def _is_preflight(scope: Scope, headers: dict[bytes, bytes]) -> bool:
    return scope["method"] == "OPTIONS" and b"origin" in headers and b"access-control-request-method" in headers


def _request_id(given: bytes | None) -> str:
    """The request id of the caller if it is short and safe to log, else a new one."""
    text = (given or b"").decode("latin-1")
    return text if 0 < len(text) <= 64 and SAFE_ID.issuperset(text) else str(uuid7())


def _as_problem(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if database_is_unavailable(error):
        return Unavailable(what="The database", retry_after=1)
    if may_be_retried(error):
        return Busy(retry_after=1)
    if is_unstorable_text(error):
        return InvalidRequest(reason="a text contains a NUL character or half a surrogate pair")
    return Problem("Something went wrong on our side; the request id in X-Request-Id helps us to find it.")


def _traced(scope: Scope, headers: dict[bytes, bytes]) -> AbstractContextManager[Span | None]:
    """Health and metrics are asked for all the time, and have no span."""
    traceparent = headers.get(b"traceparent", b"").decode("latin-1")
    return continue_trace(traceparent) if scope["path"].startswith(QUIET_PATHS) else span_of_request(traceparent)


def _record(scope: Scope, status: int | None, seconds: float, span: Span | None) -> None:
    path, route = scope["path"], scope.get("route")
    # The path with the names of its parameters: with their values there would be endless time series.
    template = getattr(route, "path_format", None) or getattr(route, "path", None)
    if span is not None and span.is_recording():
        _describe(span, scope["method"], template, status or CLIENT_DISCONNECTED)
    count, duration = metrics.of_request(scope["method"], template or "unknown", status or CLIENT_DISCONNECTED)
    count.inc()
    duration.observe(seconds - scope.get(WAITED, 0.0))
    if not path.startswith(QUIET_PATHS):
        log.info("request", method=scope["method"], path=path, status=status, ms=round(seconds * 1000, 2))


def _describe(span: Span, method: str, route: str | None, status: int) -> None:
    """By the semantic conventions for HTTP. The path itself is not recorded: it may contain personal data."""
    span.update_name(f"{method} {route}" if route else method)
    span.set_attributes({"http.request.method": method, "http.response.status_code": status})
    if route:
        span.set_attribute("http.route", route)
    if status >= 500:
        mark_failed(span, str(status))
