"""Promotions of a shop, and redemptions as orders write them."""

from typing import Any
from uuid import UUID

import httpx

from order_service.tests.conftest import Shop

REDEEM = """
INSERT INTO redemptions (order_id, promotion_id, code, customer_key, amount, at)
VALUES ($1, $2, $3, $4, 500, now())
"""


async def create(shop: Shop, **body: Any) -> httpx.Response:
    """A promotion with a code, which takes 5.00 off the order."""
    usual = {"name": "Welcome", "stage": "order", "effect": {"amount": {"GBP": 500}}, "code": "welcome10"}
    whole = {name: value for name, value in {**usual, **body}.items() if value is not None}
    return await shop.staff.post("/promotions", json=whole)


async def created(shop: Shop, **body: Any) -> Any:
    answer = await create(shop, **body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def activated(shop: Shop, **body: Any) -> Any:
    found = await created(shop, **body)
    answer = await shop.staff.post(f"/promotions/{found['id']}/activate")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def redeem(shop: Shop, promotion_id: str, code: str = "WELCOME10", customer_key: bytes | None = None) -> UUID:
    """An order with a use of the code."""
    order_id = await shop.placed()
    await shop.execute(REDEEM, order_id, UUID(promotion_id), code, customer_key)
    await shop.execute("UPDATE promotion_uses SET used = used + 1 WHERE promotion_id = $1", UUID(promotion_id))
    await shop.execute("UPDATE promotion_codes SET used = used + 1 WHERE code = $1 AND most IS NOT NULL", code)
    return order_id
