"""Reads the parameters of operations and dependencies from their signatures, by the documented rules of FastAPI."""

import inspect
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from fastapi import BackgroundTasks, Response, params
from fastapi.security import SecurityScopes
from pydantic import BaseModel, TypeAdapter
from starlette.requests import HTTPConnection

_INJECTED = (HTTPConnection, Response, BackgroundTasks, SecurityScopes)
"""The types of parameters that FastAPI recognises by the type alone."""


@dataclass(frozen=True)
class Parameter:
    """A parameter with a value of the request. `mark`: `Path()`, `Query()`, …, derived if the signature omits it."""

    name: str
    annotation: Any
    mark: params.Param | params.Body
    default: Any

    @property
    def alias(self) -> str:
        if self.mark.alias:
            return self.mark.alias
        return self.name.replace("_", "-") if isinstance(self.mark, params.Header) else self.name

    @property
    def is_required(self) -> bool:
        return self.default is inspect.Parameter.empty

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.annotation)

    def validate(self, value: Any) -> Any:
        """Raises: pydantic.ValidationError."""
        return self._adapter.validate_python(value, from_attributes=True)


@dataclass(frozen=True)
class Signature:
    """`injected`: the type (request, response, …) by the parameter's name. `scopes`: required by its dependents."""

    call: Callable[..., Any]
    scopes: tuple[str, ...]
    parameters: list[Parameter] = field(default_factory=list)
    injected: dict[str, type] = field(default_factory=dict)
    dependencies: list[tuple[str, "Signature"]] = field(default_factory=list)

    @classmethod
    def of(cls, call: Callable[..., Any], path: Collection[str], scopes: tuple[str, ...] = ()) -> "Signature":
        """`path`: the names of the parameters in the operation's path."""
        found = cls(call, scopes)
        for name, each in inspect.signature(call, eval_str=True).parameters.items():
            found._add(name, each, path)
        return found

    def all_parameters(self) -> Iterator[Parameter]:
        """All parameters, including those of the dependencies."""
        yield from self.parameters
        for _, each in self.dependencies:
            yield from each.all_parameters()

    def _add(self, name: str, each: inspect.Parameter, path: Collection[str]) -> None:
        is_annotated = get_origin(each.annotation) is Annotated
        kind, *notes = get_args(each.annotation) if is_annotated else (each.annotation,)
        marks = [note for note in notes if isinstance(note, (params.Depends, params.Param, params.Body))]
        mark = marks[-1] if marks else None
        if isinstance(mark, params.Depends):
            scopes = (*self.scopes, *(mark.scopes or ())) if isinstance(mark, params.Security) else self.scopes
            self.dependencies.append((name, Signature.of(mark.dependency or kind, path, scopes)))
        elif isinstance(kind, type) and issubclass(kind, _INJECTED):
            self.injected[name] = kind
        else:
            mark = mark or (
                params.Path() if name in path else params.Body() if takes(kind, BaseModel) else params.Query()
            )
            self.parameters.append(Parameter(name, each.annotation, mark, each.default))


def alternatives(annotation: Any) -> list[Any]:
    """The types that a union allows, without None and without their annotations."""
    if get_origin(annotation) is Annotated:
        return alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [kind for each in get_args(annotation) if each is not NoneType for kind in alternatives(each)]
    return [annotation]


def takes(annotation: Any, *bases: type) -> bool:
    """Whether one of the annotation's alternatives is one of these types, or derived from one."""
    kinds = [get_origin(kind) or kind for kind in alternatives(annotation)]
    return any(isinstance(kind, type) and issubclass(kind, bases) for kind in kinds)
