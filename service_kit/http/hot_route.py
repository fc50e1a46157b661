"""A shorter path through the framework, for operations under the highest load.

A hot route is an ordinary operation: its signature declares permission, validation and OpenAPI entry. Only fewer layers
handle a request: a plain ASGI route calls the dependencies and the endpoint with arguments by their signatures, which
are read at start-up. A request for which that fails (no token, a body that validation rejects, …) is passed to
FastAPI's route, and is rejected with the same problem as elsewhere.
"""

from collections.abc import Awaitable, Callable, Iterable
from inspect import isasyncgenfunction, iscoroutinefunction, signature
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response, params
from fastapi.security import SecurityScopes
from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from service_kit.http.json_request import BodyRead, BodyTooComplex, JsonRequest
from service_kit.http.parameters import Parameter, Signature
from service_kit.http.router import Route, is_one_body

Endpoint = TypeVar("Endpoint", bound=Callable[..., Awaitable[Response]])

JSON = "application/json"


def hot_route(router: APIRouter, method: str, path: str, **options: Any) -> Callable[[Endpoint], Endpoint]:
    """As `router.get(path, **options)`, for an endpoint that returns a `Response`.

    Its parameters may be headers, queries and path parameters, a body model, the request, and dependencies (of the same
    parameters) that don't `yield`. Hot routes are matched before all others, so no other path may match theirs. Use
    it only where a measurement shows a gain of 1.3 × or more (docs/performance.md).
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
    """ASGI middleware, inside of the one that turns problems into responses; `app` serves all other requests."""

    def __init__(self, app: ASGIApp, routers: Iterable[APIRouter]) -> None:
        self._app = app
        routes = [route for router in routers for route in router.routes if isinstance(route, _HotRoute)]
        # Matched by the path's expression alone: `matches` of Starlette's routes takes 15 µs, a tenth of a short read.
        self._routes = [(each.methods, compile_path(each.path)[0], each) for each in routes]

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
            raise  # FastAPI's route would parse the body again
        except Exception:  # FastAPI's route raises the error that it finds first
            body: bytes | None = getattr(request, "_body", None)
            await self._app(scope, receive if body is None else BodyRead(body, receive), send)
            return
        response: Response = await route.endpoint(**values)
        await response(scope, receive, send)

    def _match(self, scope: Scope) -> "_HotRoute | None":
        if scope["type"] != "http" or scope.get("root_path"):
            return None
        method, path = scope["method"], scope["path"]
        for methods, pattern, route in self._routes:
            if method in methods and (found := pattern.match(path)):
                scope["path_params"] = found.groupdict()
                return route
        return None


class _HotRoute(Route):
    """FastAPI's route, for the entry in OpenAPI and for the requests that `HotRoutes` passes on."""

    methods: set[str]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.resolve = _resolver(self.signature)


class _Unusual(Exception):
    """This request is passed to FastAPI's route."""


def _resolver(signature: Signature) -> Callable[[Request], Awaitable[dict[str, Any]]]:
    """A function that reads the arguments from a request. It raises any exception if one is missing or invalid."""
    bodies = [each for each in signature.parameters if isinstance(each.mark, params.Body)]
    _reject_unsupported(signature, bodies)
    body = bodies[0] if bodies else None
    dependencies = [(name, each.call, _resolver(each)) for name, each in signature.dependencies]
    readers = [_reader(each) for each in signature.parameters if isinstance(each.mark, params.Param)]
    scopes = SecurityScopes(list(signature.scopes))
    injected = list(signature.injected.items())

    async def resolve(request: Request) -> dict[str, Any]:
        values: dict[str, Any] = {name: scopes if kind is SecurityScopes else request for name, kind in injected}
        for name, call, resolve_own in dependencies:
            values[name] = await call(**await resolve_own(request))
        for name, read in readers:
            values[name] = read(request)
        if body:
            if request.headers.get("content-type") != JSON:
                raise _Unusual
            values[body.name] = body.validate(await request.json())
        return values

    return resolve


def _reject_unsupported(signature: Signature, bodies: list[Parameter]) -> None:
    """Raises: TypeError, at start-up and not at the first request, for what a hot route can't have."""
    call = signature.call
    supported = (
        all(kind is SecurityScopes or issubclass(kind, Request) for kind in signature.injected.values()),
        all(type(each.mark) in (*_PLACES, params.Body) for each in signature.parameters),
        not bodies or is_one_body(bodies),
        not isasyncgenfunction(call),
        iscoroutinefunction(call) or iscoroutinefunction(getattr(call, "__call__", None)),  # noqa: B004
    )
    if not all(supported):
        raise TypeError(f"{call}: a hot route can't have this; make it an ordinary one")


_PLACES: dict[type, str] = {params.Path: "path_params", params.Query: "query_params", params.Header: "headers"}


def _reader(parameter: Parameter) -> tuple[str, Callable[[Request], Any]]:
    place, alias = _PLACES[type(parameter.mark)], parameter.alias

    def read(request: Request) -> Any:
        text = getattr(request, place).get(alias)
        if text is not None:
            return parameter.validate(text)
        if parameter.is_required:
            raise _Unusual
        return parameter.default

    return parameter.name, read
