"""Every list of every service rejects a forged cursor, and never with a server error."""

import base64
import json
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.security.operations import SERVICES, Operation
from tests.security.seeded_service import seeded_service

PROBLEM = "application/problem+json"
LEAST_LISTS = {"user": 6, "product": 4, "inventory": 8, "order": 7, "notification": 3}
MOST_COLUMNS = 4
# Values that no sort column can have.
IMPOSSIBLE: tuple[Any, ...] = ({}, [], None, 1.5, 10**30, True, "\x00", "\ud800", float("nan"))


def _cursor(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


ALONE: tuple[Any, ...] = (None, 7, "a", "a word", {}, {"0": "a"}, [])
FORGERIES = {
    **{f"{value!r} × {n}": _cursor([value] * n) for value in IMPOSSIBLE for n in range(1, MOST_COLUMNS + 1)},
    **{f"{value!r} alone": _cursor(value) for value in ALONE},
    "of a long list": _cursor([str(uuid4())] * 12),
    "SQL, plain": "' OR 1=1 --",
    "no base64": "!",
    "half of base64": "WyJh",
    "bytes that are no text": base64.urlsafe_b64encode(b'["\xff\xfe"]').decode(),
    "a token": "eyJhbGciOiJub25lIn0.e30.",
    "blank": " ",
    "nothing": "",
    "too long": "W" * 501,
    "nested deep": "W1tb" * 120,
}


@pytest.mark.parametrize("service", SERVICES)
async def test_a_forged_cursor_is_rejected_by_every_list(service: str) -> None:
    async with seeded_service(service) as seeded:
        lists = [(operation, name) for operation in seeded.operations for name in _cursors(operation)]
        assert len(lists) >= LEAST_LISTS[service], "fewer lists than expected: does the test find all of them?"
        for operation, name in lists:
            client = seeded.as_owner if operation.is_ones_own else seeded.admin
            url = operation.url(seeded.ids)
            for what, cursor in FORGERIES.items():
                _rejected(await client.get(url, params={name: cursor}), f"{operation} {what}")


def _cursors(operation: Operation) -> list[str]:
    parameters = operation.spec.get("parameters", ())
    return [each["name"] for each in parameters if each["in"] == "query" and "cursor" in each["name"]]


def _rejected(answer: httpx.Response, what: str) -> None:
    assert answer.status_code in (400, 422), f"{what}: {answer.status_code} {answer.text}"
    assert answer.headers["Content-Type"] == PROBLEM, what
