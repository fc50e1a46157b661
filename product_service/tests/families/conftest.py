"""Families."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.harness.service import Caller

Json = dict[str, Any]
MakeFamily = Callable[..., Awaitable[Json]]
OPTIONS = [
    {"name": "colour", "values": ["blue", "white", "red"]},
    {"name": "size", "values": ["S", "M", "L", "XL"]},
]
PRICE = {"amount": 1995, "currency": "GBP"}


@pytest.fixture
def make_family(staff: Caller) -> MakeFamily:
    """Creates a family of three colours and four sizes; `fields` override that."""

    async def make(**fields: Any) -> Json:
        answer = await staff.post("/families", json={"name": "Apron", "options": OPTIONS, **fields})
        assert answer.status_code == 201, answer.text
        made: Json = answer.json()
        return made

    return make
