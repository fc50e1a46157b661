"""No operation silently ignores or converts a part of a request."""

import copy
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, NamedTuple

import httpx
import pytest

from tests.security.operations import SERVICES, Operation
from tests.security.seeded_service import SeededService, seeded_service

# The least number of bodies and fields to be tried, so that the tests cannot pass without finding any.
BODIES = {"user": 18, "product": 6, "inventory": 9, "order": 9, "notification": 1}
INTEGERS = {"user": 0, "product": 4, "inventory": 5, "order": 7, "notification": 0}
BOOLEANS = {"user": 2, "product": 0, "inventory": 0, "order": 1, "notification": 1}
OPERATIONS_OF_STANDARDS = {
    "user": {"POST /auth/token", "POST /auth/logout", "POST /auth/revoke"},
    "order": {"POST /payments/webhooks/{gateway}"},
}
Path = tuple[str | int, ...]
Query = Sequence[tuple[str, str]]


class Place(NamedTuple):
    """A position in a body."""

    path: Path
    type: str


@pytest.fixture(params=SERVICES)
async def seeded(request: pytest.FixtureRequest) -> AsyncIterator[SeededService]:
    async with seeded_service(request.param) as made:
        yield made


async def test_unknown_members_are_rejected_at_every_level_of_every_body(seeded: SeededService) -> None:
    bodies = 0
    for operation in _with_body(seeded):
        bodies += 1
        body, places = _full_body(operation)
        for path, kind in places:
            if kind != "object":
                continue
            answer = await _send(seeded, operation, _changed(body, (*path, "no_such_member"), "x"))
            assert answer.status_code == 422, f"{operation} {path}: {answer.status_code} {answer.text}"
            assert ".".join(map(str, (*path, "no_such_member"))) in _fields(answer), f"{operation}: {answer.text}"
    assert bodies >= BODIES[seeded.service]


async def test_integers_and_booleans_are_strict_in_every_body(seeded: SeededService) -> None:
    tried = {"integer": 0, "boolean": 0}
    for operation in _with_body(seeded):
        body, places = _full_body(operation)
        for path, kind in places:
            if kind not in tried:
                continue
            tried[kind] += 1
            for wrong in (True, "1", 1.0) if kind == "integer" else (1, 0, "true", "yes"):
                answer = await _send(seeded, operation, _changed(body, path, wrong))
                assert answer.status_code == 422, f"{operation} {path}: {wrong!r}: {answer.status_code} {answer.text}"
                assert ".".join(map(str, path)) in _fields(answer), f"{operation}: {answer.text}"
    assert tried["integer"] >= INTEGERS[seeded.service]
    assert tried["boolean"] >= BOOLEANS[seeded.service]


async def test_unknown_query_parameters_are_rejected_by_every_operation(seeded: SeededService) -> None:
    others = OPERATIONS_OF_STANDARDS.get(seeded.service, set())
    ignoring = set()
    for operation in seeded.operations:
        answer = await _send(seeded, operation, None, query=[("no_such_filter", "1")])
        if answer.status_code != 422 or "no_such_filter" not in _fields(answer):
            ignoring.add(str(operation))
    assert ignoring == others


async def test_a_single_query_parameter_cannot_be_repeated(seeded: SeededService) -> None:
    tried = 0
    for operation in seeded.operations:
        for parameter in operation.spec.get("parameters", ()):
            if parameter["in"] != "query" or operation.resolve(parameter["schema"]).get("type") == "array":
                continue
            tried += 1
            query = [(parameter["name"], "1"), (parameter["name"], "2")]
            answer = await _send(seeded, operation, None, query=query)
            assert (answer.status_code, _fields(answer)) == (422, {parameter["name"]}), f"{operation}: {answer.text}"
    assert tried >= 2


def _with_body(seeded: SeededService) -> Iterator[Operation]:
    return (each for each in seeded.operations if each.body_schema() is not None)


def _full_body(operation: Operation) -> tuple[Any, list[Place]]:
    """A body with every member of the schema, and the positions of its objects, integers and booleans."""
    schema = operation.body_schema()
    assert schema is not None
    places: list[Place] = []
    return _filled(operation, schema, (), places), places


def _filled(operation: Operation, schema: Any, path: Path, places: list[Place]) -> Any:
    schema = operation.resolve(schema)
    kind = schema.get("type")
    if kind == "object" and "properties" in schema:
        places.append(Place(path, "object"))
        return {name: _filled(operation, each, (*path, name), places) for name, each in schema["properties"].items()}
    if kind == "array":
        return [_filled(operation, schema["items"], (*path, 0), places)]
    if kind in ("integer", "boolean"):
        places.append(Place(path, kind))
    return operation.example_of(schema)


def _changed(body: Any, path: Path, value: Any) -> Any:
    made = copy.deepcopy(body)
    *above, last = path
    inner = made
    for step in above:
        inner = inner[step]
    inner[last] = value
    return made


async def _send(seeded: SeededService, operation: Operation, body: Any, query: Query = ()) -> httpx.Response:
    client = seeded.admin if operation.is_guarded else seeded.served.anonymous
    request = operation.request(seeded.values)
    if body is not None:
        request["json"] = body
    return await client.request(operation.method, operation.url(seeded.ids), params=tuple(query), **request)


def _fields(answer: httpx.Response) -> set[str]:
    return {each["field"] for each in answer.json().get("errors", ())} if answer.content else set()
