"""A shorter way into an operation that carries the load.

A hot route is an ordinary operation: its signature gives it permission, validation and its OpenAPI entry. Only how a
request gets to it is shorter: what FastAPI finds out about the signature anew for each request is found out once, when
the application is made. A request that this does not plainly fit (no token, a body that validation refuses, …) goes
FastAPI's way, and so is refused in the same order and the same words as everywhere else.
"""

from collections.abc import Awaitable, Callable, Iterable
from inspect import isasyncgenfunction, iscoroutinefunction, signature
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response, params
from fastapi._compat import ModelField
from fastapi.dependencies.models import Dependant
from fastapi.security import SecurityScopes
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service_kit.http.json_request import BodyTooComplex, JsonRequest
from service_kit.http.router import Route

Endpoint = TypeVar("Endpoint", bound=Callable[..., Awaitable[Response]])
_Read = Callable[[Request], Any]
_Resolve = Callable[[Request], Awaitable[dict[str, Any]]]

JSON = "application/json"


def hot_route(router: APIRouter, method: str, path: str, **options: Any) -> Callable[[Endpoint], Endpoint]:
    """As `router.get(path, **options)`, for an endpoint that answers with a `Response` of its own.

    Its parameters may be headers, queries and path parameters, a body model, the request, and dependencies (of the same
    parameters) that don't `yield`. Hot routes are asked before all others: what their path parameters accept must be
    nobody else's path. For what is measured to gain 1.3 × or more only (docs/performance.md).
    """
    if router.dependencies:
        raise TypeError("a hot route doesn't see the router's dependencies: name them in its signature")

    def add(endpoint: Endpoint) -> Endpoint:
        if signature(endpoint).return_annotation is not Response:
            raise TypeError(f"{endpoint.__name__} must answer with a Response")
        router.add_api_route(path, endpoint, methods=[method], route_class_override=_HotRoute, **options)
        return endpoint

    return add


class HotRoutes:
    """Pure ASGI, inside of the middleware that turns problems into answers; `app` serves whatever is not plain."""

    def __init__(self, app: ASGIApp, *, routers: Iterable[APIRouter]) -> None:
        self._app = app
        self._routes = [route for router in routers for route in router.routes if isinstance(route, _HotRoute)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._match(scope)
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route
        request = JsonRequest(scope, receive)
        try:
            if scope["query_string"] and not route.ignores_unknown:
                route.queries.check(request)
            values = await route.resolve(request)
        except BodyTooComplex:
            raise  # to parse it once was enough
        except Exception:  # whatever it was: there it happens again, in its turn
            await self._app(scope, _Again(request, receive), send)
            return
        response: Response = await route.endpoint(**values)
        await response(scope, receive, send)

    def _match(self, scope: Scope) -> "_HotRoute | None":
        if scope["type"] != "http" or scope.get("root_path"):
            return None
        method, path = scope["method"], scope["path"]
        for route in self._routes:
            if method in route.methods and (found := route.path_regex.match(path)):
                scope["path_params"] = found.groupdict()
                return route
        return None


class _HotRoute(Route):
    """Knows where in a request its endpoint's arguments are."""

    methods: set[str]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.resolve = _resolver(self.dependant)


class _Again:
    """`receive`, for who comes after the body was read."""

    def __init__(self, request: Request, receive: Receive) -> None:
        self._receive = receive
        self._body: bytes | None = getattr(request, "_body", None)

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


class _Unusual(Exception):
    """FastAPI shall say what is wrong with this request, if anything is."""


def _resolver(dependant: Dependant) -> _Resolve:
    """What finds the arguments of `dependant` in a request. Raises (when called): anything, where one is not there."""
    _refuse_unsupported(dependant)
    body = _body_reader(dependant)
    dependencies = [(each.name, each.call, _resolver(each)) for each in dependant.dependencies]
    readers = [
        *(_reader(field, "path_params") for field in dependant.path_params),
        *(_reader(field, "query_params") for field in dependant.query_params),
        *(_reader(field, "headers") for field in dependant.header_params),
    ]
    constants: dict[str, Any] = {}
    if dependant.security_scopes_param_name:
        scopes = [*(dependant.parent_oauth_scopes or ()), *(dependant.own_oauth_scopes or ())]
        constants[dependant.security_scopes_param_name] = SecurityScopes(scopes)
    request_name = dependant.request_param_name

    async def resolve(request: Request) -> dict[str, Any]:
        values = dict(constants)
        if request_name:
            values[request_name] = request
        for name, call, resolve_own in dependencies:
            found = await call(**await resolve_own(request))  # type: ignore[misc]
            if name:
                values[name] = found
        for name, read in readers:
            values[name] = read(request)
        if body:
            values[body.name] = _valid(body, await _json(request))
        return values

    return resolve


def _refuse_unsupported(dependant: Dependant) -> None:
    """When the application is made, not when the first request comes."""
    call = dependant.call
    unsupported = (
        dependant.cookie_params,
        dependant.response_param_name,
        dependant.background_tasks_param_name,
        dependant.http_connection_param_name,
        isasyncgenfunction(call),
        not (iscoroutinefunction(call) or iscoroutinefunction(getattr(call, "__call__", None))),  # noqa: B004
    )
    if any(unsupported):
        raise TypeError(f"{call}: a hot route can't have this; make it an ordinary one")


def _body_reader(dependant: Dependant) -> ModelField | None:
    fields = dependant.body_params
    if len(fields) > 1 or any(type(field.field_info) is not params.Body or field.field_info.embed for field in fields):
        raise TypeError(f"{dependant.call}: a hot route takes one body, as JSON")
    return fields[0] if fields else None


def _reader(field: ModelField, place: str) -> tuple[str, _Read]:
    alias = field.field_info.alias or (field.name.replace("_", "-") if place == "headers" else field.name)

    def read(request: Request) -> Any:
        text = getattr(request, place).get(alias)
        if text is not None:
            return _valid(field, text)
        if field.field_info.is_required():
            raise _Unusual
        return field.default

    return field.name, read


def _valid(field: ModelField, value: Any) -> Any:
    found, errors = field.validate(value)
    if errors:
        raise _Unusual
    return found


async def _json(request: Request) -> Any:
    if request.headers.get("content-type") != JSON:
        raise _Unusual
    return await request.json()
