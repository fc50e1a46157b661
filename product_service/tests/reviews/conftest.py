"""Reviews of customers."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from product_service.tests.conftest import Json, MakeProduct
from tests.harness.service import Caller, Served

REVIEW: Json = {"rating": 4, "title": "Good", "text": "It shines.", "author": "Ada K."}
Reviewed = Callable[..., Awaitable[Json]]


@pytest.fixture
def reviewed(service: Served, staff: Caller, make_product: MakeProduct) -> Reviewed:
    """A review by a new customer, of a new product unless one is given; published unless told otherwise."""

    async def review(product_id: str | None = None, *, publish: bool = True, **fields: Any) -> Json:
        product_id = product_id or (await make_product())["id"]
        answer = await service.caller().post(f"/products/{product_id}/reviews", json={**REVIEW, **fields})
        assert answer.status_code == 201, answer.text
        if publish:
            answer = await staff.post(f"/reviews/{answer.json()['id']}/publish")
            assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    return review
