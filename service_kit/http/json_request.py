"""The JSON body of a request, bounded before anyone looks at what it says."""

from collections.abc import Iterable
from typing import Any

from fastapi import Request

from service_kit.problems import Problem
from service_kit.settings import ServiceSettings


class BodyTooComplex(Problem, status=422, type="body-too-complex"):
    """The body has {what}; at most {limit} are accepted: send less at a time."""


class JsonRequest(Request):
    """Its `json()` keeps to the settings' limits. Raises: BodyTooComplex, and json.JSONDecodeError as ever."""

    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            value = await super().json()
            try:
                check_complexity(value, self.app.state.runtime.settings)
            except BodyTooComplex:
                del self._json
                raise
        return self._json


def check_complexity(value: Any, limits: ServiceSettings) -> None:
    """Level by level, so that whatever is too large is found before it has all been looked at. Raises: BodyTooComplex.

    Validation costs up to a hundred times what parsing does, and tells of each value that is wrong.
    """
    level: Iterable[Any] = [value] if isinstance(value, (dict, list)) else ()
    depth = values = 0
    most_members = limits.max_json_members
    while level:
        depth += 1
        if depth > limits.max_json_depth:
            raise BodyTooComplex(what="too many levels", limit=limits.max_json_depth)
        below: list[Any] = []
        for each in level:
            values += len(each)
            if type(each) is dict:
                if len(each) > most_members:
                    raise BodyTooComplex(what="too many members in one object", limit=most_members)
                each = each.values()  # noqa: PLW2901
            below.extend(inner for inner in each if type(inner) is dict or type(inner) is list)
        if values > limits.max_json_values:
            raise BodyTooComplex(what="too many values", limit=limits.max_json_values)
        level = below
