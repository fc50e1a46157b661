"""The base classes of JSON bodies. In those of requests, nothing is silently dropped or converted."""

from collections.abc import Iterator
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from service_kit.problems import ValidationFailed

MORE_ERRORS = "more_errors"
"""The type of the error whose `count` is the number of errors that are not listed."""
STRICT = ("int", "bool", "float")
OTHER_MODELS = ("dataclass", "typed-dict")
NOT_VALUES = ("metadata", "serialization", "default", "json_schema_input_schema")


def _make_strict(owner: type, fields: Any, handler: GetCoreSchemaHandler) -> None:
    """Raises: TypeError, for a model inside that is no RequestBody, since it would accept unknown members."""
    seen: set[str] = set()
    pending = [fields]
    while pending:
        schema = pending.pop()
        kind = schema.get("type")
        if kind == "definition-ref":
            if schema["schema_ref"] not in seen:
                seen.add(schema["schema_ref"])
                pending.append(handler.resolve_ref_schema(schema))
        elif kind == "model":
            if not issubclass(schema["cls"], RequestBody):
                raise TypeError(f"{owner.__name__}: {schema['cls'].__name__} inside it must be a RequestBody too")
        elif kind in OTHER_MODELS:
            raise TypeError(f"{owner.__name__}: write the {kind} inside it as a RequestBody")
        elif kind == "function-wrap" and schema["function"]["function"] is _with_few_errors:
            pending.extend(_inner(schema["schema"]))  # already strict, since Pydantic reuses the schema of a model
        else:
            if kind in STRICT:
                schema["strict"] = True
            pending.extend(_inner(schema))
            if kind == "list":  # wrapped in place
                inner = dict(schema)
                schema.clear()
                schema.update(core_schema.no_info_wrap_validator_function(_with_few_errors, inner))


def _with_few_errors(value: Any, validate: Any) -> Any:
    """Shortens the list of errors: Pydantic finds ten thousand quickly, but formats them in a quarter of a second."""
    try:
        return validate(value)
    except ValidationError as error:
        if (total := error.error_count()) <= ValidationFailed.MOST:
            raise
    raise _first_errors(value, validate, total)


def _first_errors(value: list[Any], validate: Any, total: int) -> ValidationError:
    """The errors of the first elements, of no more elements than needed, and the least number of further errors."""
    size = 1
    while True:
        try:
            validate(value[:size])
        except ValidationError as found:
            if found.error_count() >= ValidationFailed.MOST or size >= len(value):
                return _shortened(found, total)
        size *= 2


def _shortened(error: ValidationError, total: int) -> ValidationError:
    found = error.errors(include_url=False)
    total += sum(each["ctx"]["count"] - 1 for each in found if each["type"] == MORE_ERRORS)
    named = [each for each in found if each["type"] != MORE_ERRORS][: ValidationFailed.MOST]
    details = [
        InitErrorDetails(
            type=PydanticCustomError(each["type"], "{message}", {"message": each["msg"]}),
            loc=each["loc"],
            input=each["input"],
        )
        for each in named
    ]
    more = PydanticCustomError(MORE_ERRORS, "at least {count} more errors", {"count": total - len(named)})
    return ValidationError.from_exception_data(error.title, [*details, InitErrorDetails(type=more, input=None)])


def _inner(value: Any) -> Iterator[dict[str, Any]]:
    """The schemas directly inside a schema, however they are wrapped in lists, tuples and dictionaries."""
    members = [each for name, each in value.items() if name not in NOT_VALUES] if isinstance(value, dict) else value
    for member in members:
        if isinstance(member, dict):
            yield member
        elif isinstance(member, (list, tuple)):
            yield from _inner(member)


class RequestBody(BaseModel):
    """The base of each request body and of each model inside one; the `Router` accepts no others.

    An unknown member is rejected: if a misspelt `expected_price` were dropped, its sender would lose that check.
    Integers, floats and booleans are strict at all levels: `true` and `"1"` are not 1, and 1.0 is no integer. A UUID, a
    time or an enumeration is still read from a JSON string.
    """

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        if cls.model_config.get("extra") != "forbid":
            raise TypeError(f"{cls.__name__} is a request body: it can't set `extra` to anything but `forbid`")
        model: Any = handler.resolve_ref_schema(schema)
        while model["type"] != "model":  # inside its model validators
            model = model["schema"]
        _make_strict(cls, model["schema"], handler)
        return schema


def examples(*bodies: dict[str, Any]) -> ConfigDict:
    """The `model_config` of a body for which OpenAPI shows these examples."""
    return ConfigDict(json_schema_extra={"examples": list(bodies)})


class RowOut(BaseModel):
    """The base of response bodies with the columns of a row."""

    @classmethod
    def of(cls, row: Any, **more: object) -> Self:
        """The body for a row. `more`: fields that are no columns of the row, or are shown in another form."""
        if not more:
            return cls.model_validate(row, from_attributes=True)
        columns = {name: getattr(row, name) for name in cls.model_fields if name not in more and hasattr(row, name)}
        return cls.model_validate({**columns, **more}, from_attributes=True)
