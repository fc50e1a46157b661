"""Tax zones and rates over HTTP."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from order_service.tests.conftest import Shop

Json = dict[str, Any]
MakeZone = Callable[..., Awaitable[Json]]
MakeRate = Callable[..., Awaitable[Json]]


@pytest.fixture
def make_zone(shop: Shop) -> MakeZone:
    async def make(*countries: str, **fields: Any) -> Json:
        body = {"name": " ".join(countries), "countries": list(countries), **fields}
        answer = await shop.staff.post("/tax/zones", json=body)
        assert answer.status_code == 201, answer.text
        made: Json = answer.json()
        return made

    return make


@pytest.fixture
def make_rate(shop: Shop) -> MakeRate:
    async def make(zone: Json, rate: str = "0.20", **fields: Any) -> Json:
        body = {"zone_id": zone["id"], "tax_class": "standard", "rate": rate, "name": "VAT", **fields}
        answer = await shop.staff.post("/tax/rates", json=body)
        assert answer.status_code == 201, answer.text
        made: Json = answer.json()
        return made

    return make
