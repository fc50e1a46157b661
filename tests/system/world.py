"""Customers and staff who use a running shop through its REST APIs."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import date
from typing import Any, Self
from uuid import uuid4

import httpx

from local_stack.shop import Shop

ADDRESS = {"name": "Ada King", "line1": "12 St James's Square", "city": "London", "country": "GB"}
PASSWORD = "correct horse battery"
SIGN_IN, ME = "/auth/token", "/users/me"
SOON = 60.0
"""Seconds within which the consequences of an event must be complete, also on a busy machine."""


async def until(what: str, holds: Callable[[], Awaitable[Any]], within: float = SOON) -> Any:
    """Calls `holds` at increasing intervals until it is true, and returns its value. Fails with the last value."""
    deadline, pause = time.monotonic() + within, 0.02
    while True:
        found = await holds()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {within:.0f} s (last seen: {found!r})")
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 0.5)


async def none_left(what: str, left: Callable[[], Awaitable[Any]], within: float) -> None:
    """Returns when nothing is `left`. Fails if `left` has not changed for `within` seconds."""
    seen = await left()
    while seen:
        before = seen

        async def changed(before: Any = before) -> bool:
            nonlocal seen
            seen = await left()
            return bool(seen != before)

        try:
            await until(what, changed, within)
        except AssertionError as error:
            raise AssertionError(f"{error}: {seen}") from None


class Person:
    """A person who is signed in, or not yet."""

    def __init__(self, world: "World", email: str, password: str) -> None:
        self._world = world
        self.form = {"grant_type": "password", "username": email, "password": password}
        self.email = email
        self.id = ""
        self.token = ""

    async def sign_in(self) -> Self:
        return await self.use(await self.call("user", "POST", SIGN_IN, data=self.form))

    async def use(self, tokens: dict[str, Any]) -> Self:
        """Calls with these tokens from now on."""
        self.token = tokens["access_token"]
        self.id = (await self.call("user", "GET", ME))["id"]
        return self

    async def ask(self, service: str, method: str, path: str, **request: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        headers |= request.pop("headers", {})
        return await self._world.http.request(method, self._world.url(service) + path, headers=headers, **request)

    async def call(
        self, service: str, method: str, path: str, *, done_if: str | tuple[str, ...] = (), **request: Any
    ) -> Any:
        """The body of a successful response. Retries a response with Retry-After (409, 503) and a request whose
        connection broke: all requests here may be repeated. `done_if`: types of a 409 after which the action was done
        before, or is no longer possible; then there is no body."""
        deadline = time.monotonic() + self._world.timeout
        while True:
            try:
                answer = await self.ask(service, method, path, **request)
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.1)
                continue
            if self._world.is_retried(answer) and time.monotonic() < deadline:
                await asyncio.sleep(0.1)
                continue
            if answer.status_code == 401 and self.token and path not in (SIGN_IN, ME):
                await self.sign_in()  # the token has expired
                continue
            if done_if and answer.status_code == 409 and answer.json()["type"].endswith(done_if):
                return None
            assert answer.is_success, f"{method} {service}{path}: {answer.status_code} {answer.text}"
            return answer.json() if answer.content else None

    async def order(self, *lines: tuple[str, int], key: str | None = None, **fields: Any) -> dict[str, Any]:
        body = {"lines": [{"product_id": id, "quantity": quantity} for id, quantity in lines], "ship_to": ADDRESS}
        headers = {"Idempotency-Key": key or str(uuid4())}
        placed: dict[str, Any] = await self.call("order", "POST", "/orders", json={**body, **fields}, headers=headers)
        return placed

    async def pay(self, order_id: str, token: str = "tok_ok", key: str | None = None) -> dict[str, Any]:
        headers = {"Idempotency-Key": key or str(uuid4())}
        paid: dict[str, Any] = await self.call(
            "order", "POST", f"/orders/{order_id}/payments", json={"token": token}, headers=headers
        )
        return paid

    async def bought(self, product: str, quantity: int) -> str:
        """An order of so many pieces, paid and delivered."""
        order_id: str = (await self.order((product, quantity)))["id"]
        await self.order_becomes(order_id, "awaiting_payment")
        await self.pay(order_id)
        await self.order_becomes(order_id, "paid")
        await self._world.deliver(order_id)
        await self.order_becomes(order_id, "delivered")
        return order_id

    async def asks_to_return(self, order_id: str, product: str, quantity: int, *, key: str | None = None) -> str:
        body = {"lines": [{"product_id": product, "quantity": quantity}], "reason": "not what I wanted"}
        headers = {"Idempotency-Key": key or str(uuid4())}
        asked = await self.call("order", "POST", f"/orders/{order_id}/returns", json=body, headers=headers)
        return str(asked["id"])

    async def returns(self, order_id: str, product: str, quantity: int) -> str:
        """Requests a return that staff approve. Returns its id."""
        return_id = await self.asks_to_return(order_id, product, quantity)
        await self._world.staff.call("order", "POST", f"/returns/{return_id}/approve", done_if="return-decided")
        return return_id

    async def order_becomes(self, order_id: str, *statuses: str, within: float = SOON) -> dict[str, Any]:
        async def holds() -> Any:
            found = await self.call("order", "GET", f"/orders/{order_id}")
            return found if found["status"] in statuses else None

        order: dict[str, Any] = await until(f"order {order_id} becomes {' or '.join(statuses)}", holds, within)
        return order


class World:
    """A shop with its customers and staff, who retry for `timeout` seconds."""

    def __init__(self, shop: Shop, *, timeout: float = SOON) -> None:
        self.shop = shop
        self.timeout = timeout
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        limits = httpx.Limits(max_connections=60, max_keepalive_connections=60)
        self.http = await self._stack.enter_async_context(httpx.AsyncClient(timeout=20, limits=limits))
        self.staff = await self._first_admin()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def is_retried(self, answer: httpx.Response) -> bool:
        """Whether a client retries after this response."""
        return "Retry-After" in answer.headers

    def url(self, service: str) -> str:
        return self.shop.url(service)

    def operations_url(self, service: str) -> str:
        return self.shop.operations_url(service)

    async def customer(self, *, verified: bool = False) -> Person:
        """A new customer; `verified`: staff registered the account, so that its address counts as verified."""
        person = Person(self, f"{uuid4().hex[:12]}@example.com", PASSWORD)
        body = {"email": person.email, "password": PASSWORD, "full_name": "Ada King"}
        by = self.staff if verified else person
        await by.call("user", "POST", "/users", json=body, done_if="email-taken")
        return await person.sign_in()

    async def guest(self) -> Person:
        """A new guest, who has given no address."""
        person = Person(self, "", "")
        await person.use(await person.call("user", "POST", "/auth/guest", json={}))
        return person

    async def product(self, *, stock: int = 0, price: int = 1250, warehouse_id: str | None = None) -> str:
        """Creates a product with so many pieces in stock. Returns its id."""
        sku = f"SKU-{uuid4().hex[:12].upper()}"
        body = {
            "sku": sku,
            "name": "White metal lantern",
            "price": {"amount": price, "currency": "GBP"},
            "status": "active",
        }
        made = await self.staff.call("product", "POST", "/products", json=body, done_if="sku-taken")
        if made is None:
            [made] = (await self.staff.call("product", "GET", "/products", params={"sku": sku}))["items"]
        id: str = made["id"]
        if stock:
            await self.receive(id, stock, warehouse_id or await self.warehouse())
        return id

    async def warehouse(self) -> str:
        code = f"W{uuid4().hex[:8].upper()}"
        body = {"code": code, "name": "Main"}
        made = await self.staff.call("inventory", "POST", "/warehouses", json=body, done_if="warehouse-code-taken")
        if made is None:
            [made] = (await self.staff.call("inventory", "GET", "/warehouses", params={"code": code}))["items"]
        return str(made["id"])

    async def receive(
        self, product_id: str, quantity: int, warehouse_id: str, *, expires_on: date | None = None
    ) -> None:
        line = {"product_id": product_id, "quantity": quantity, "expires_on": expires_on and expires_on.isoformat()}
        body = {"warehouse_id": warehouse_id, "lines": [line]}
        await self.staff.call("inventory", "POST", "/stock/receipts", json=body)

    async def mailed_code(self, address: str, subject: str) -> str:
        """The code in the mail with this subject, as soon as it has arrived."""
        mailbox = f"{self.url('mailbox')}/messages"

        async def found() -> str | None:
            for message in (await self.http.get(mailbox, params={"to": address})).json()["items"]:
                if message["subject"] == subject:
                    text = (await self.http.get(f"{mailbox}/{message['id']}")).json()["text"]
                    return str(next(line for line in text.split() if len(line) == 43))
            return None

        return str(await until(subject, found))

    async def stock(self, product_id: str) -> dict[str, int]:
        found = await self.staff.call("inventory", "GET", "/stock", params={"product_id": product_id, "limit": 100})
        return {
            name: sum(item[name] for item in found["items"]) for name in ("on_hand", "reserved", "available")
        }  # fmt: skip

    async def shipments(self, order_id: str) -> list[dict[str, Any]]:
        found = await self.staff.call("inventory", "GET", "/shipments", params={"order_id": order_id})
        items: list[dict[str, Any]] = found["items"]
        return items

    async def shipments_of(self, order_id: str) -> list[dict[str, Any]]:
        """The shipments of the order, as soon as there are any."""
        found: list[dict[str, Any]] = await until("shipments", lambda: self.shipments(order_id))
        return found

    async def deliver(self, order_id: str) -> None:
        """Dispatches and delivers every parcel of the order."""
        for shipment in await self.shipments_of(order_id):
            await self.dispatch_and_deliver(shipment)

    async def dispatch_and_deliver(self, shipment: dict[str, Any]) -> None:
        """Uses the same carrier and number in each request, so that a repeated dispatch is the same one."""
        path = f"/shipments/{shipment['id']}"
        sent = {"carrier": "Royal Mail", "tracking_number": shipment["id"][-8:]}
        await self.staff.call("inventory", "POST", f"{path}/dispatch", json=sent)
        await self.staff.call("inventory", "POST", f"{path}/deliver")

    async def receive_return(self, return_id: str, warehouse_id: str, product_id: str, **came: int) -> None:
        """Receives pieces (`came`: to `restock` and to `scrap`) as soon as inventory expects the return."""

        async def expected() -> bool:
            return (await self.staff.ask("inventory", "GET", f"/returns/{return_id}")).is_success

        await until("the return is expected", expected, self.timeout)
        body = {"warehouse_id": warehouse_id, "lines": [{"product_id": product_id, **came}]}
        await self.staff.call("inventory", "POST", f"/returns/{return_id}/receive", json=body)

    async def notified_kinds(self, person: Person) -> list[str]:
        """The kinds of the notifications of the customer, in order."""
        found = await person.call("notification", "GET", "/notifications", params={"limit": 100})
        return [item["kind"] for item in reversed(found["items"])]

    async def wait_for_notifications(self, person: Person, kinds: list[str]) -> None:
        """Waits for exactly these notifications, each once, in any order."""

        async def holds() -> Any:
            return sorted(await self.notified_kinds(person)) == sorted(kinds) or None

        try:
            await until("the customer is notified", holds)
        except AssertionError:
            assert sorted(await self.notified_kinds(person)) == sorted(kinds)
            raise

    async def _first_admin(self) -> Person:
        settings = self.shop.settings
        password = settings["USER_FIRST_ADMIN_PASSWORD"]
        admin = Person(self, settings["USER_FIRST_ADMIN_EMAIL"], password)

        async def signed_in() -> Person | None:
            answer = await admin.ask("user", "POST", SIGN_IN, data=admin.form)
            return await admin.sign_in() if answer.is_success else None  # created shortly after the first start

        found: Person = await until("the first admin", signed_in)
        return found
