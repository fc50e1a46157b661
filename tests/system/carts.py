"""Customers who order their cart in two tabs at once, with a repeated request, or from an outdated tab."""

import asyncio
from collections import defaultdict
from typing import Any

from tests.system.customers import PRODUCTS, Checkout, Customers
from tests.system.world import Person

CART_CHANGED = ("cart-empty", "cart-changed", "price-changed")
"""Problem types which say that the cart has changed since the customer saw it."""
ADDED_PIECES = 7
"""Pieces: more than any cart contained before."""

Order = dict[str, Any]


class CartCustomers(Customers):
    """A quarter of the orders is placed from a cart, a third of them in each of the three ways. Each cart must lead to
    exactly one order, with the contents that its customer was shown last: the ledger has the keys of all attempts."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._cart_locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        """By customer: there is one cart for each, which is filled for one order after the other."""

    async def order(self, customer: Person, number: int) -> Order:
        if number % 4 != 1:
            return await super().order(customer, number)
        ways = (self._in_two_tabs, self._with_a_repeated_request, self._with_an_outdated_cart)
        checkout = Checkout()
        self.ledger.checkouts.append(checkout)
        async with self._cart_locks[customer.id]:
            while True:  # an aborted request may arrive late and change the cart again
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
        """The request that orders the present contents of the cart."""
        cart = await customer.call("order", "GET", "/cart")
        seen = {"cart_version": cart["version"], "expected_total": cart["total"] or {"amount": 0, "currency": "GBP"}}
        return {"from_cart": True, **seen, **self._address_and_card(number)}

    async def _in_two_tabs(self, customer: Person, number: int, checkout: Checkout, shown: Order) -> Order | None:
        tabs = (self._try(customer, self._key(number), checkout, shown) for _ in range(2))
        return _one_of(await asyncio.gather(*tabs))

    async def _with_a_repeated_request(
        self, customer: Person, number: int, checkout: Checkout, shown: Order
    ) -> Order | None:
        key = self._key(number)
        return _one_of(await asyncio.gather(*(self._try(customer, key, checkout, shown) for _ in range(2))))

    async def _with_an_outdated_cart(
        self, customer: Person, number: int, checkout: Checkout, shown: Order
    ) -> Order | None:
        """The tab is outdated: another one has added pieces meanwhile."""
        await self._put(customer, self._products[number % PRODUCTS], ADDED_PIECES)
        key = self._key(number)
        checkout.outdated.add(key)
        if order := await self._try(customer, key, checkout, shown):
            return order
        return await self._try(customer, self._key(number), checkout, await self._shown(customer, number))

    async def _try(self, customer: Person, key: str, checkout: Checkout, shown: Order) -> Order | None:
        checkout.keys.append(key)
        return await self._place(customer, key, shown, CART_CHANGED)


def _one_of(orders: list[Order | None]) -> Order | None:
    return next((order for order in orders if order), None)
