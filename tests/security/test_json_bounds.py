"""An invalid body of 1 MiB takes little time to reject, and gets a short response."""

import asyncio
import json
import time
from typing import Any
from uuid import uuid4

import httpx
import pytest

from order_service.base import MAX_LINES
from order_service.orders.schemas import OrderIn
from service_kit.http.json_request import BodyTooComplex, check_complexity, check_size, is_simple
from service_kit.problems import ValidationFailed
from service_kit.schemas import RequestBody
from tests.harness import tokens
from tests.harness.server import serving
from tests.harness.service import NEEDED
from tests.security.operations import app

LARGEST_ANSWER = 8_192
LONGEST_WAIT = 0.5
PRICE = {"amount": 100, "currency": "GBP"}
SHIP_TO = {"name": "Ada", "line1": "1 Mill Lane", "city": "London", "country": "GB"}


def _line(**members: Any) -> dict[str, Any]:
    return {"product_id": str(uuid4()), "quantity": 1, **members}


def _order(lines: list[Any]) -> dict[str, Any]:
    return {"lines": lines, "ship_to": SHIP_TO}


BODIES = {
    "unknown members": {f"m{n}": 1 for n in range(90_000)},
    "unknown members of many objects": _order([{f"m{n}": 1 for n in range(20)} for _ in range(MAX_LINES)]),
    "a wrong value in each line": _order([_line(quantity="1") for _ in range(MAX_LINES)]),
    "a list of lists": _order([[] for _ in range(300_000)]),
    "a list of numbers": list(range(150_000)),
    "a name without end": {"m" * 1_000_000: 1},
    "a text without end": b"[" * 50_003 + b'"' + b'\\"' * 450_000,
    "many levels": json.loads("[" * 400 + "]" * 400),
}


async def test_a_large_invalid_body_gets_a_short_response_without_blocking_others() -> None:
    headers = {"Authorization": f"Bearer {tokens.token(role='Admin')}", "Idempotency-Key": "a"}
    async with (
        serving("order_service", **NEEDED["order"]) as url,
        httpx.AsyncClient(base_url=url, timeout=60) as client,
    ):
        for what, body in BODIES.items():
            content = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
            assert len(content) < 1_048_576, what
            sending = [
                asyncio.create_task(
                    client.post("/orders", content=content, headers={**headers, "Content-Type": "application/json"})
                )
                for _ in range(3)
            ]
            longest = await _longest_wait(client, sending)
            for answer in await asyncio.gather(*sending):
                assert answer.status_code == 422, f"{what}: {answer.status_code} {answer.text[:200]}"
                assert len(answer.content) < LARGEST_ANSWER, what
            assert longest < LONGEST_WAIT, what


async def _longest_wait(client: httpx.AsyncClient, sending: list[asyncio.Task[httpx.Response]]) -> float:
    """The slowest response of `/health/live`, requested repeatedly until the other requests are done."""
    longest = 0.0
    while not all(task.done() for task in sending):
        began = time.perf_counter()
        assert (await client.get("/health/live")).is_success
        longest = max(longest, time.perf_counter() - began)
    return longest


def test_the_largest_allowed_order_is_accepted() -> None:
    line = _line(expected_unit_price=PRICE, agreed_unit_price=PRICE)
    body = {**_order([line] * MAX_LINES), "currency": "GBP", "payment_token": "tok_ok"}
    check_complexity(body, app("order").state.runtime.settings)
    assert len(OrderIn.model_validate(body).lines or ()) == MAX_LINES


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ({"a": [0] * 50_000}, "values"),
        ({f"m{n}": 1 for n in range(101)}, "members"),
        (json.loads('{"a":' * 21 + "1" + "}" * 21), "levels"),
    ],
)
def test_one_beyond_a_bound_is_rejected(body: Any, what: str) -> None:
    settings = app("order").state.runtime.settings
    with pytest.raises(BodyTooComplex, match=what):
        check_complexity(body, settings)


def test_brackets_and_commas_inside_texts_are_not_counted_as_values() -> None:
    settings = app("order").state.runtime.settings
    for text in ("[" * 60_000, "," * 60_000, '\\"{,' * 60_000):
        check_size(json.dumps({"note": text, "more": [1, 2]}).encode(), settings)
    for content in (b"[" + b"1," * 50_001 + b"1]", b"[" * 50_002, b'[{"a":",","b":"[,"},' + b"[]," * 50_000 + b"1]"):
        with pytest.raises(BodyTooComplex, match="values"):
            check_size(content, settings)


def test_values_at_the_bounds_are_accepted() -> None:
    settings = app("order").state.runtime.settings
    for body in ({"a": [0] * 49_999}, {f"m{n}": 1 for n in range(100)}, json.loads("[" * 20 + "]" * 20), 1, "a", None):
        check_complexity(body, settings)


async def test_an_answer_names_twenty_errors_and_counts_the_others() -> None:
    transport = httpx.ASGITransport(app=app("order"))
    body = _order([_line(quantity="1", colour="red") for _ in range(1000)])
    async with httpx.AsyncClient(transport=transport, base_url="http://service.test") as client:
        app("order").state.runtime.keys._use(tokens.key_set())
        headers = {"Authorization": f"Bearer {tokens.token(role='Admin')}", "Idempotency-Key": "a"}
        answer = (await client.post("/orders", json=body, headers=headers)).json()
    assert len(answer["errors"]) == ValidationFailed.MOST == 20
    assert answer["more_errors"] == 2000 - 20
    assert "1980 more" in answer["detail"]
    assert {error["field"] for error in answer["errors"][:2]} == {"lines.0.quantity", "lines.0.colour"}


def test_a_list_inside_a_list_names_few_errors_too() -> None:
    class Inner(RequestBody):
        numbers: list[int]

    class Outer(RequestBody):
        inner: list[Inner]

    with pytest.raises(ValueError, match="more errors") as found:
        Outer.model_validate({"inner": [{"numbers": ["x"] * 30}, {"numbers": [1]}, {"numbers": ["x"] * 5}]})
    named = found.value.errors()  # type: ignore[attr-defined]
    assert len(named) <= 2 * 20
    assert sum(each["ctx"]["count"] if each["type"] == "more_errors" else 1 for each in named) == 35


@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize("shape", ["levels", "members", "elements"])
def test_bodies_that_skip_the_check_are_within_all_limits(shape: str, extra: int) -> None:
    """`is_simple` accepts only bodies that the full check would accept as well."""
    settings = app("order").state.runtime.settings
    body: Any = []
    if shape == "levels":
        for _ in range(settings.max_json_depth + extra - 1):
            body = [body]
    elif shape == "members":
        body = {str(number): "," for number in range(settings.max_json_members + extra)}
    else:
        body = [0] * (settings.max_json_values + extra)
    if is_simple(json.dumps(body).encode(), settings):
        check_complexity(body, settings)
    if extra:
        with pytest.raises(BodyTooComplex):
            check_complexity(body, settings)


def test_an_ordinary_body_skips_the_check() -> None:
    body = {"lines": [{"product_id": "0190f0c0-0000-7000-8000-000000000001", "quantity": 2}] * 5, "ship_to": {}}
    assert is_simple(json.dumps(body).encode(), app("order").state.runtime.settings)
