"""The router of every service's endpoints."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from fastapi import APIRouter, Request, Response, params
from fastapi.routing import APIRoute
from pydantic import ValidationError

from service_kit.http.json_request import JsonRequest
from service_kit.http.parameters import Parameter, Signature, alternatives, takes
from service_kit.problems import ValidationFailed
from service_kit.schemas import RequestBody

SCHEMA_OF_OTHERS = {"x-unknown-members": "ignored"}
"""For `openapi_extra`: an external standard or system (OAuth, a gateway) defines the request, and may add members."""


class Router(APIRouter):
    """Its operation ids are names for generated clients, made of tag and function: `orders_place`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(generate_unique_id_function=_operation_id, **{"route_class": Route, **options})


class Route(APIRoute):
    """A route that rejects unknown query parameters and members of bodies instead of ignoring them."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        self.signature = Signature.of(self.endpoint, self.param_convertors)
        for each in self.dependencies:
            if each.dependency:
                self.signature.dependencies.append(("", Signature.of(each.dependency, self.param_convertors)))
        found = list(self.signature.all_parameters())
        self.ignores_unknown = SCHEMA_OF_OTHERS.items() <= (self.openapi_extra or {}).items()
        if not self.ignores_unknown:
            _reject_loose_bodies(self, [each for each in found if isinstance(each.mark, params.Body)])
        self.queries = Queries([each for each in found if isinstance(each.mark, params.Query)])
        self._path = {each.alias: each for each in found if isinstance(each.mark, params.Path)}

        async def handle_checked(request: Request) -> Response:
            if self.ignores_unknown:
                return await handle(request)
            if request.scope["query_string"]:
                self.queries.check(request)
            return await handle(JsonRequest(request.scope, request.receive))

        return handle_checked

    def path_of(self, values: Mapping[str, str]) -> str:
        """The canonical path with these parameters. A text that its parameter rejects is left unchanged."""
        if not values:
            return self.path_format
        return self.path_format.format(**{name: self._canonical(name, text) for name, text in values.items()})

    def _canonical(self, name: str, text: str) -> str:
        try:
            return str(self._path[name].validate(text))
        except ValidationError:
            return text


class Queries:
    """The query parameters that an operation accepts, read at start-up."""

    def __init__(self, parameters: list[Parameter]) -> None:
        self.names = frozenset(each.alias for each in parameters)
        self.repeatable = frozenset(
            each.alias for each in parameters if takes(each.annotation, list, tuple, set, frozenset)
        )

    def check(self, request: Request) -> None:
        """Raises: ValidationFailed, for an unknown parameter, or a repeated one that is not a list."""
        seen: set[str] = set()
        errors = []
        for name, _ in request.query_params.multi_items():
            if name not in self.names:
                errors.append({"field": name[:100], "in": "query", "message": "There is no such query parameter"})
            elif name in seen and name not in self.repeatable:
                errors.append({"field": name, "in": "query", "message": "This query parameter can be given once only"})
            seen.add(name)
        if errors:
            raise ValidationFailed.naming(errors)


def _reject_loose_bodies(route: APIRoute, bodies: list[Parameter]) -> None:
    """Raises: TypeError, at start-up, for a body that would ignore unknown members."""
    for each in bodies:
        kinds = alternatives(each.annotation)
        if not all(isinstance(kind, type) and issubclass(kind, RequestBody) for kind in kinds) or not is_one_body(
            bodies
        ):
            raise TypeError(f"{route.path}: {route.name} must take its body as one RequestBody, or be SCHEMA_OF_OTHERS")


def is_one_body(bodies: list[Parameter]) -> bool:
    """Whether the whole JSON document is one parameter."""
    return len(bodies) == 1 and type(bodies[0].mark) is params.Body and not bodies[0].mark.embed


def _operation_id(route: APIRoute) -> str:
    return f"{str(route.tags[0]).replace('-', '_')}_{route.name}" if route.tags else route.name
