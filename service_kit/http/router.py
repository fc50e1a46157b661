"""The router of every service's endpoints."""

from collections.abc import Callable, Coroutine, Mapping
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from fastapi import APIRouter, Request, Response, params
from fastapi._compat import ModelField
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from service_kit.http.json_request import JsonRequest
from service_kit.problems import ValidationFailed
from service_kit.schemas import RequestBody

SCHEMA_OF_OTHERS = {"x-unknown-members": "ignored"}
"""For `openapi_extra`: somebody else defines what the request has (OAuth, a gateway), and may add to it any day."""


class Router(APIRouter):
    """Names operations for generated clients: `orders_place`, by tag and function."""

    def __init__(self, **options: Any) -> None:
        super().__init__(generate_unique_id_function=_operation_id, **{"route_class": Route, **options})


class Route(APIRoute):
    """An operation that drops nothing of a request in silence."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        fields = _fields(self.dependant)
        self.ignores_unknown = SCHEMA_OF_OTHERS.items() <= (self.openapi_extra or {}).items()
        if not self.ignores_unknown:
            _refuse_loose_bodies(self, [field for field in fields if isinstance(field.field_info, params.Body)])
        self.queries = Queries([field for field in fields if isinstance(field.field_info, params.Query)])
        self.path_fields = {field.alias: field for field in fields if isinstance(field.field_info, params.Path)}

        async def handle_checked(request: Request) -> Response:
            if self.ignores_unknown:
                return await handle(request)
            if request.scope["query_string"]:
                self.queries.check(request)
            return await handle(JsonRequest(request.scope, request.receive))

        return handle_checked

    def path_of(self, values: Mapping[str, str]) -> str:
        """The one spelling of the path that has these parameters. What is no value of its parameter stays as it is."""
        if not values:
            return self.path_format
        return self.path_format.format(**{name: self._canonical(name, text) for name, text in values.items()})

    def _canonical(self, name: str, text: str) -> str:
        value, errors = self.path_fields[name].validate(text)
        return text if errors else str(value)


class Queries:
    """The query parameters that an operation takes; found out once, when the application is made."""

    def __init__(self, fields: list[ModelField]) -> None:
        self.names = frozenset(field.alias for field in fields)
        self.repeatable = frozenset(field.alias for field in fields if _is_list(field.field_info.annotation))

    def check(self, request: Request) -> None:
        """Raises: ValidationFailed, for a parameter that is unknown, and for one that is given twice and taken once."""
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


def _fields(dependant: Dependant) -> list[ModelField]:
    """Of the operation and of all that it depends on."""
    own = (*dependant.path_params, *dependant.query_params, *dependant.header_params, *dependant.body_params)
    return [*own, *(field for each in dependant.dependencies for field in _fields(each))]


def _refuse_loose_bodies(route: APIRoute, fields: list[ModelField]) -> None:
    """When the application is made: a body that would drop unknown members is a mistake of ours."""
    for field in fields:
        if (
            not _is_request_body(field.field_info.annotation)
            or len(fields) > 1
            or type(field.field_info) is not params.Body
            or field.field_info.embed
        ):
            raise TypeError(f"{route.path}: {route.name} must take its body as one RequestBody, or be SCHEMA_OF_OTHERS")


def _is_request_body(annotation: Any) -> bool:
    """Or null, where a body may be left out."""
    if get_origin(annotation) in (Union, UnionType):
        return all(_is_request_body(each) for each in get_args(annotation) if each is not NoneType)
    return isinstance(annotation, type) and issubclass(annotation, RequestBody)


def _is_list(annotation: Any) -> bool:
    if get_origin(annotation) in (Union, UnionType):
        return any(_is_list(each) for each in get_args(annotation))
    return (get_origin(annotation) or annotation) in (list, tuple, set, frozenset)


def _operation_id(route: APIRoute) -> str:
    return f"{str(route.tags[0]).replace('-', '_')}_{route.name}" if route.tags else route.name
