"""Simulates many concurrent customers whose orders are completed; records all responses for the comparison of the
books."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx

from tests.system.world import ADDRESS, SOON, Person, World, none_left

FINAL_STATUSES = frozenset({"delivered", "returned", "rejected", "cancelled"})
AT_ONCE = 12
DISPATCHERS = 8
PRODUCTS = 6
STOCK = 1_000
PRICE, RARE_PRICE = 1250, 9900
RARE, EXPIRED, LASTING = 10, 40, 20
"""Pieces: of the product that is sold out soon; of each product, those that have expired, and those that will
expire."""
TOKENS = ("tok_ok", "tok_authorised", "tok_duplicate", "tok_lost_answer")
POLL_SECONDS = 0.3
"""Seconds between two requests for waiting orders; one request serves all of them."""
PAGE = 100
UNUSABLE_CODE = "promotion-unusable"


@dataclass
class Checkout:
    """A cart that a customer wanted to order once: the keys of all attempts, and of those which contained the cart as
    it was before a change."""

    keys: list[str] = field(default_factory=list)
    outdated: set[str] = field(default_factory=set)


class Ledger:
    """The responses of the shop: Idempotency-Key → ids of orders, of which there must be exactly one. `shown`: the
    total that the customer was shown, by key; `checkouts`: carts that were ordered; `verified`: customers who get
    e-mails; `withdrawn`: orders with an attempt to cancel them; `refunds`: the amount that staff refunded, by order;
    `stopped`: orders that were refunded in full before their dispatch; `lost`: lost parcels by order; `returns`:
    returned pieces by order and product; `closed`: orders whose return never arrived."""

    def __init__(self) -> None:
        self.answers: defaultdict[str, set[str]] = defaultdict(set)
        self.shown: dict[str, int] = {}
        self.checkouts: list[Checkout] = []
        self.customers: set[str] = set()
        self.verified: set[str] = set()
        self.withdrawn: set[str] = set()
        self.refunds: dict[str, int] = {}
        self.stopped: set[str] = set()
        self.lost: dict[str, set[str]] = {}
        self.returns: dict[str, Counter[str]] = {}
        self.closed: set[str] = set()

    @property
    def orders(self) -> set[str]:
        return {id for ids in self.answers.values() for id in ids}


class Customers:
    """Places `orders` orders by `customers` customers, one after the other; some order a product that is sold out soon.

    `verified`: their e-mail addresses are verified, so that they get e-mails too. `codes`: for 10 % off, which a third
    of them enters; without a code if it is used up."""

    codes: Sequence[str] = ()

    def __init__(self, world: World, *, orders: int = 200, customers: int = 40, verified: bool = False) -> None:
        self.ledger = Ledger()
        self._world = world
        self._verified = verified
        self._orders_each = orders // customers
        self._customer_numbers = iter(range(customers))
        self._products: list[str] = []
        self._rare = ""
        self._placed = asyncio.Condition()
        self._by_order: dict[str, tuple[Person, str]] = {}
        self._payments: dict[str, dict[str, Any]] = {}
        self._taken_parcels: set[str] = set()

    @property
    def products(self) -> set[str]:
        return {*self._products, self._rare}

    async def prepare(self, stock: int = STOCK) -> None:
        """Creates products, among them one with stock for half of its buyers. Two are in a warehouse of their own, so
        that some orders have two parcels. Some pieces of each have expired, and some will expire."""
        place, other = await asyncio.gather(self._world.warehouse(), self._world.warehouse())
        places = [*[place] * (PRODUCTS - 1), other]
        made = [self._world.product(stock=stock, price=PRICE, warehouse_id=each) for each in places]
        self._products = await asyncio.gather(*made)
        self._rare = await self._world.product(stock=RARE, price=RARE_PRICE, warehouse_id=other)
        today = datetime.now(UTC).date()
        for product, each in [*zip(self._products, places, strict=True), (self._rare, other)]:
            await self._world.receive(product, EXPIRED, each, expires_on=today - timedelta(days=1))
            await self._world.receive(product, EXPIRED, each, expires_on=today)
            if product != self._rare:
                await self._world.receive(product, LASTING, each, expires_on=date(today.year + 2, 1, 1))

    async def register(self, number: int) -> list[Person]:
        """Registers customers and signs them in."""
        people = await asyncio.gather(*(self._world.customer(verified=self._verified) for _ in range(number)))
        ids = {person.id for person in people}
        self.ledger.customers |= ids
        self.ledger.verified |= ids if self._verified else set()
        return people

    async def buy(self) -> None:
        """Places all orders; returns when each is in a final status."""
        async with self.fulfilling():
            await asyncio.gather(*(self._register_and_buy() for _ in range(AT_ONCE)))
            await self.wait_for_ends()

    async def wait_for_orders(self, number: int) -> None:
        """Returns when so many orders have been accepted."""
        async with self._placed:
            await self._placed.wait_for(lambda: len(self.ledger.answers) >= number)

    @asynccontextmanager
    async def fulfilling(self) -> AsyncIterator[None]:
        """Pays, dispatches and delivers orders until the block ends."""
        async with asyncio.TaskGroup() as tasks:
            serving = [tasks.create_task(work) for work in self._tasks()]
            yield
            for task in serving:
                task.cancel()

    def _tasks(self) -> list[Coroutine[Any, Any, None]]:
        """The tasks that run until the block ends."""
        return [self._pay_all(), self._dispatch_all()]

    async def wait_for_ends(self, within: float = SOON) -> None:
        """Fails if no order has advanced for `within` seconds, so that a slow machine only takes longer."""
        database = await asyncpg.connect(self._world.shop.database_url("order"))
        ids = [UUID(id) for id in self.ledger.orders]
        open_orders = "SELECT status, count(*) FROM orders WHERE id = ANY($1) AND status <> ALL($2) GROUP BY status"

        async def left() -> dict[str, int]:
            found = await database.fetch(open_orders, ids, list(FINAL_STATUSES))
            return {row["status"]: row["count"] for row in found}

        try:
            await none_left("all orders at their end", left, within)
        finally:
            await database.close()

    async def _register_and_buy(self) -> None:
        """One customer after the other registers and buys; meanwhile new products are added."""
        for number_of_customer in self._customer_numbers:
            [customer] = await self.register(1)
            if number_of_customer % 4 == 0:
                self._products.append(await self._world.product(stock=STOCK))
            for number in range(self._orders_each):
                await self.order(customer, number_of_customer * self._orders_each + number)

    async def order(self, customer: Person, number: int) -> dict[str, Any]:
        """Every tenth order contains the scarce product; every second one has a card's token."""
        key = self._key(number)
        for body in self._requests(number):
            if order := await self._place(customer, key, body, (UNUSABLE_CODE,)):
                break
        assert order is not None
        if number % 5 == 0:  # as if the response had been lost
            await self._place(customer, key, body)
        return order

    def _requests(self, number: int) -> list[dict[str, Any]]:
        """The request for the order, with its code first if it has one."""
        pieces = self._wanted(number)
        lines = [{"product_id": id, "quantity": quantity} for id, quantity in pieces.items()]
        total = sum(quantity * (RARE_PRICE if id == self._rare else PRICE) for id, quantity in pieces.items())
        offers: list[tuple[int, Sequence[str]]] = [(total, [])]
        if self.codes and number % 3 == 0:
            offers.insert(0, (total * 9 // 10, [self.codes[number // 3 % len(self.codes)]]))
        return [
            {
                "lines": lines,
                "expected_total": {"amount": total, "currency": "GBP"},
                "codes": codes,
                **self._address_and_card(number),
            }
            for total, codes in offers
        ]

    async def _place(
        self, customer: Person, key: str, body: dict[str, Any], done_if: tuple[str, ...] = ()
    ) -> dict[str, Any] | None:
        """Records the total that the customer was shown, and the response."""
        self.ledger.shown[key] = body["expected_total"]["amount"]
        headers = {"Idempotency-Key": key}
        order: dict[str, Any] | None = await customer.call(
            "order", "POST", "/orders", json=body, headers=headers, done_if=done_if
        )
        if order is not None:
            self._by_order[order["id"]] = customer, key
            self.ledger.answers[key].add(order["id"])
            async with self._placed:
                self._placed.notify_all()
        return order

    @staticmethod
    def _key(number: int) -> str:
        return f"{number}-{uuid4()}"

    def _wanted(self, number: int) -> Counter[str]:
        """Pieces by product."""
        pieces: Counter[str] = Counter()
        for place in (number, number * 5 + 1):
            pieces[self._products[place % len(self._products)]] += number % 3 + 1
        if number % 10 == 0:
            pieces[self._rare] = 1
        return pieces

    def _address_and_card(self, number: int) -> dict[str, Any]:
        return {"ship_to": ADDRESS, **({"payment_token": self.card(number)} if number % 2 else {})}

    def card(self, number: int, *, again: bool = False) -> str:
        """The card token of the first payment of order `number`, or of a later one (`again`)."""
        return TOKENS[number // 2 % len(TOKENS)]

    def pays_separately(self, number: int) -> bool:
        """Whether the customer pays order `number` by a separate request."""
        return number % 2 == 0

    def number_of(self, order_id: str) -> int:
        return int(self._by_order[order_id][1].partition("-")[0])

    async def _pay_all(self) -> None:
        """Pays orders without a token as soon as stock is reserved; after a failed payment again, with a new key."""
        params = {"status": "awaiting_payment", "limit": 100}
        while True:
            found = await self._world.staff.call("order", "GET", "/orders", params=params)
            waiting = [order for order in found["items"] if order["id"] in self._by_order]
            await asyncio.gather(*(self._pay(order["id"]) for order in waiting))
            await asyncio.sleep(POLL_SECONDS)

    async def _pay(self, order_id: str) -> None:
        customer, key = self._by_order[order_id]
        number = self.number_of(order_id)
        if not self.pays_separately(number):
            return
        payment = self._payments.get(order_id)
        if payment is not None:
            payment = await customer.call("order", "GET", f"/payments/{payment['id']}")
            if payment["status"] != "failed":
                return
        request_key = f"{key}-{payment['id'] if payment else 'first'}"
        headers = {"Idempotency-Key": request_key}
        body = {"token": self.card(number, again=payment is not None or number % 2 == 1)}
        with suppress(httpx.TransportError):  # then the next pass retries with the same key
            answer = await customer.ask("order", "POST", f"/orders/{order_id}/payments", json=body, headers=headers)
            if answer.is_success:
                self._payments[order_id] = answer.json()
            elif answer.status_code == 401:  # the token has expired; the next pass uses another
                await customer.sign_in()

    async def _dispatch_all(self) -> None:
        parcels: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(DISPATCHERS):
                tasks.create_task(self._dispatch_each(parcels))
            while True:
                waiting = await self._parcels()
                for parcel in waiting:
                    if parcel["order_id"] in self._by_order and parcel["id"] not in self._taken_parcels:
                        self._taken_parcels.add(parcel["id"])
                        parcels.put_nowait(parcel)
                # Reading a long list costs the service as much as dispatching some of it.
                await asyncio.sleep(POLL_SECONDS * (1 + len(waiting) // PAGE))

    async def _parcels(self) -> list[dict[str, Any]]:
        """All parcels that wait in the warehouses, including those that other tests left."""
        found: list[dict[str, Any]] = []
        params: dict[str, Any] | None = {"status": "created", "sort": "created_at", "limit": PAGE}
        while params:
            page = await self._world.staff.call("inventory", "GET", "/shipments", params=params)
            found += page["items"]
            params = {**params, "cursor": page["next"]} if page["next"] else None
        return found

    async def _dispatch_each(self, parcels: asyncio.Queue[dict[str, Any]]) -> None:
        while True:
            await self._dispatch(await parcels.get())

    async def _dispatch(self, parcel: dict[str, Any]) -> None:
        await self._world.dispatch_and_deliver(parcel)
