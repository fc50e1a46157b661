"""Customers who order their carts as people do: in two tabs at once, by pressing twice, and as they looked before."""

import asyncio
from collections import defaultdict
from typing import Any

from tests.system.crowd import PRODUCTS, Checkout, Crowd
from tests.system.world import Person

GONE = ("cart-empty", "cart-changed", "price-changed")
"""What says that the cart isn't any more what the customer saw."""
MORE = 7
"""Pieces, which is more than anybody has put in before."""

Order = dict[str, Any]


class CartCrowd(Crowd):
    """A quarter of the orders comes from a cart, a third of them in each way. Whatever happens on the way, a cart leads
    to one order, of what its customer was shown last: the ledger has the keys of all tries."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._at_the_cart: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        """By customer, who has one cart only and fills it for one order after the other."""

    async def order(self, customer: Person, number: int) -> Order:
        if number % 4 != 1:
            return await super().order(customer, number)
        ways = (self._in_two_tabs, self._pressing_twice, self._with_an_old_cart)
        checkout = Checkout()
        self.ledger.checkouts.append(checkout)
        async with self._at_the_cart[customer.id]:
            while True:  # a request to the cart that broke off may arrive late, and change it once more
                await self._fill(customer, number)
                shown = await self._shown(customer, number)
                if order := await ways[number // 4 % 3](customer, number, checkout, shown):
                    return order

    async def _fill(self, customer: Person, number: int) -> None:
        await customer.call("order", "DELETE", "/cart")
        for product_id, quantity in self._wanted(number).items():
            await self._put(customer, product_id, quantity)

    async def _put(self, customer: Person, product_id: str, quantity: int) -> None:
        await customer.call("order", "PUT", f"/cart/items/{product_id}", json={"quantity": quantity})

    async def _shown(self, customer: Person, number: int) -> Order:
        """The order of what is in the cart now."""
        cart = await customer.call("order", "GET", "/cart")
        seen = {"cart_version": cart["version"], "expected_total": cart["total"] or {"amount": 0, "currency": "GBP"}}
        return {"from_cart": True, **seen, **self._sent_and_paid(number)}

    async def _in_two_tabs(self, customer: Person, number: int, checkout: Checkout, shown: Order) -> Order | None:
        tabs = (self._try(customer, self._key(number), checkout, shown) for _ in range(2))
        return _one_of(await asyncio.gather(*tabs))

    async def _pressing_twice(self, customer: Person, number: int, checkout: Checkout, shown: Order) -> Order | None:
        key = self._key(number)
        return _one_of(await asyncio.gather(*(self._try(customer, key, checkout, shown) for _ in range(2))))

    async def _with_an_old_cart(self, customer: Person, number: int, checkout: Checkout, shown: Order) -> Order | None:
        """The tab was open for long, and meanwhile another one has put in more."""
        await self._put(customer, self._products[number % PRODUCTS], MORE)
        key = self._key(number)
        checkout.outdated.add(key)
        if order := await self._try(customer, key, checkout, shown):
            return order
        return await self._try(customer, self._key(number), checkout, await self._shown(customer, number))

    async def _try(self, customer: Person, key: str, checkout: Checkout, shown: Order) -> Order | None:
        checkout.keys.append(key)
        return await self._place(customer, key, shown, GONE)


def _one_of(orders: list[Order | None]) -> Order | None:
    return next((order for order in orders if order), None)
