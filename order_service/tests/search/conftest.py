"""Orders of several customers, products and countries, as searches find them."""

from typing import Any
from uuid import UUID

import pytest

from contracts.events.users import UserChanged
from order_service.search.jobs import add_orders
from order_service.tests.conftest import SHIP_TO, Shop
from tests.harness.service import Caller


class Searches:
    """Orders, and what staff find of them."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    async def customer(self, email: str, name: str) -> Caller:
        caller = self.shop.served.caller()
        event = UserChanged(
            user_id=caller.user_id, version=1, email=email, full_name=name, roles=["User"], email_verified=True,
            active=True,
        )  # fmt: skip
        await self.shop.deliver(event)
        return caller

    async def order(self, by: Caller | None = None, product: UUID | None = None, **ship_to: Any) -> str:
        """An order of two mugs, 2000 in all."""
        product = product or await self.shop.product()
        answer = await self.shop.place(product, by=by, ship_to={**SHIP_TO, **ship_to})
        assert answer.status_code == 201, answer.text
        while await add_orders(self.shop.runtime):
            pass
        return str(answer.json()["id"])

    async def found(self, by: Caller | None = None, **filters: Any) -> list[str]:
        """The ids of the orders that meet the filters, the oldest first, read in pages of two."""
        ids: list[str] = []
        params = {"sort": "created_at", "limit": 2, **filters}
        while True:
            answer = await (by or self.shop.staff).get("/orders", params=params)
            assert answer.status_code == 200, answer.text
            ids += [item["id"] for item in answer.json()["items"]]
            if answer.json()["next"] is None:
                return ids
            params["cursor"] = answer.json()["next"]


@pytest.fixture
def searches(shop: Shop) -> Searches:
    return Searches(shop)
