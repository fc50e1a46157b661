"""A running service whose database has rows. Most of them belong to one customer, whom the tests call the owner."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx

from contracts.address import Address
from contracts.events.inventory_deduction import (
    FulfilmentRequested,
    ReservationAccepted,
    ReservationRequested,
    ReturnExpected,
)
from contracts.events.order_notification import OrderPlaced
from contracts.events.products import ProductChanged, ScheduledPrice
from contracts.events.users import UserChanged
from contracts.money import Money
from contracts.quantity import ProductQuantity
from order_service.payments.models import Payment, PaymentState, Refund
from order_service.returns.models import Return
from order_service.tests.invoices.stored import invoice
from product_service.tests.media.pictures import picture
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from tests.harness.service import NEEDED, Served, serve
from tests.harness.tokens import token
from tests.security.operations import Operation, operations

OWNERS_NAME = "Wilhelmina Canary-Owner"
OWNERS_EMAIL = "wilhelmina.owner@example.com"
SHIP_TO = {"name": OWNERS_NAME, "line1": "12 Canary Wharf Lane", "city": "London", "country": "GB"}
OPTIONS = [{"name": "colour", "values": ["blue", "white"]}]
PASSWORD = "owner's own correct horse"
NOBODYS = ("/cart/items", "/products")
"""Below these paths are ids of products."""
MORE: dict[str, dict[str, Any]] = {"product": {"locales": "en,de"}}
_DEAD = """
INSERT INTO parked_events (event_id, topic, partition, "offset", key, type, headers, value, status)
VALUES ($1, 'users', 0, 1, 'key', 'mart.user.changed.v1', '[]', '{}', 'dead')
"""
_ROWS = "SELECT '{table}' || row_to_json(t)::text FROM {table} AS t"
_TABLES = """
SELECT quote_ident(table_name) FROM information_schema.tables
WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
"""


@dataclass
class SeededService:
    """A running service with rows. `ids` has the ids of existing resources by (path, name of the parameter)."""

    service: str
    served: Served
    owner: UUID
    ids: dict[tuple[str, str], str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    """Values of body fields and filters that refer to existing resources."""

    def __post_init__(self) -> None:
        self.admin = self.client(role="Admin")
        self.as_owner = self.client(role="User", user_id=self.owner)

    def client(self, *permissions: str, role: str | None = None, user_id: UUID | None = None) -> httpx.AsyncClient:
        return self.served.client(token(*permissions, role=role, user_id=user_id))

    @property
    def private_texts(self) -> set[str]:
        """Texts that only the owner and staff may read: the owner's id, name and address, and ids of what they own."""
        own = {path for path, _ in self.ids if any(o.is_ones_own and o.path.startswith(path) for o in self.operations)}
        resources = {id for (path, _), id in self.ids.items() if path in own and path not in NOBODYS}
        return {str(self.owner), OWNERS_NAME, OWNERS_EMAIL, SHIP_TO["line1"], *resources}

    @property
    def operations(self) -> list[Operation]:
        return list(operations(self.service))

    async def rows_of_owner(self) -> set[str]:
        """All rows, of all tables, that contain one of `private_texts`."""
        return {row for row in await self.rows() if any(text in row for text in self.private_texts)}

    async def rows(self) -> set[str]:
        found: set[str] = set()
        async with self.served.runtime.database.connection() as connection:
            for [table] in await connection.fetch(_TABLES):
                found.update(row[0] for row in await connection.fetch(_ROWS.format(table=table)))
        return found

    async def find_ids(self) -> None:
        """Finds an id for each path parameter: the first item of the list one level up, preferably one of the
        owner's."""
        lists = {o.path: o for o in self.operations if o.method == "get"}
        for operation in sorted(self.operations, key=lambda o: len(o.path)):
            parts = operation.path.split("/")
            for at, part in enumerate(parts):
                above = "/".join(parts[:at])
                key = (above, part[1:-1])
                if not part.startswith("{") or key in self.ids or above not in lists:
                    continue
                if found := await self._first_of(lists[above], key[1]):
                    self.ids[key] = found

    async def _first_of(self, listing: Operation, parameter: str) -> str | None:
        for client in (self.as_owner, self.admin):
            answer = await client.get(listing.url(self.ids))
            items = answer.json().get("items") if answer.is_success and answer.content else None
            if items:
                return str(items[0].get("id") or items[0][parameter])
        return None


@asynccontextmanager
async def seeded_service(service: str) -> AsyncIterator[SeededService]:
    async with serve(
        f"{service}_service", **{"jwks_refresh_seconds": 3600, **NEEDED.get(service, {}), **MORE.get(service, {})}
    ) as served:
        made = await _SEED[service](served)
        async with served.runtime.database.connection() as connection:
            await connection.execute(_DEAD, uuid4())
        await made.find_ids()
        yield made


async def _user(served: Served) -> SeededService:
    body = {"email": OWNERS_EMAIL, "password": PASSWORD, "full_name": OWNERS_NAME}
    account = _made(await served.anonymous.post("/users", json=body))
    form = {"grant_type": "password", "username": OWNERS_EMAIL, "password": PASSWORD}
    assert (await served.anonymous.post("/auth/token", data=form)).status_code == 200
    found = SeededService("user", served, UUID(account["id"]), values={"user_id": account["id"], "q": "Canary"})
    _made(await found.as_owner.post("/users/me/addresses", json=SHIP_TO))
    found.ids["/users", "user_id"] = account["id"]
    group = _made(await found.admin.post("/customer-groups", json={"name": "Trade"}))
    member = await found.admin.put(f"/customer-groups/{group['id']}/members/{account['id']}")
    assert member.status_code == 204, member.text
    found.ids["/customer-groups/{group_id}/members", "user_id"] = account["id"]
    return found


async def _product(served: Served) -> SeededService:
    found = SeededService("product", served, uuid4())
    category = _made(await found.admin.post("/categories", json={"name": "Lanterns"}))
    body = {"sku": "L1", "name": "A lantern", "category_id": category["id"], "price": _price(100), "status": "active"}
    product = _made(await found.admin.post("/products", json=body))
    price = {**_price(90), "min_quantity": 2, "starts_at": "2030-01-01T00:00:00Z"}
    _made(await found.admin.post(f"/products/{product['id']}/prices", json=price))
    of_group = {**price, "customer_group": str(uuid7())}
    _made(await found.admin.post(f"/products/{product['id']}/group-prices", json=of_group))
    _made(await found.admin.post("/price-lists", json={"name": "Sale", "currency": "GBP"}))
    rule = {"name": "Scarce", "currency": "GBP", "effect": {"percent": 10}}
    _made(await found.admin.post("/price-rules", json=rule))
    family = _made(await found.admin.post("/families", json={"name": "Lanterns", "options": OPTIONS}))
    media = _made(await found.admin.post("/media", content=picture("PNG")))
    _made(await found.admin.post("/attributes", json={"name": "colour", "kind": "text"}))
    _made(await found.admin.post("/synonyms", json={"words": ["lantern", "lamp"]}))
    _made(await found.as_owner.post(f"/products/{product['id']}/reviews", json={"rating": 5, "text": "It shines."}))
    collection = _made(await found.admin.post("/collections", json={"name": "Lanterns", "published": True}))
    for path in (f"products/{product['id']}", f"families/{family['id']}", f"collections/{collection['id']}",
                 f"categories/{category['id']}"):  # fmt: skip
        answer = await found.admin.put(f"/{path}/translations/de", json={"name": "Laternen"})
        assert answer.status_code == 204, answer.text
    found.values = {"category_id": category["id"], "product_id": product["id"], "media_id": media["id"]}
    found.ids["/collections/by-slug", "slug"] = collection["slug"]
    found.ids["/products/by-slug", "slug"] = product["slug"]
    found.ids["/families/by-slug", "slug"] = family["slug"]
    return found


async def _inventory(served: Served) -> SeededService:
    found, product_id, order_id = SeededService("inventory", served, uuid4()), uuid7(), uuid7()
    await served.deliver(product_of(product_id))
    warehouse = _made(await found.admin.post("/warehouses", json={"code": "W1", "name": "Main"}))
    supplier = _made(await found.admin.post("/suppliers", json={"name": "Hanford"}))
    found.values = {
        "product_id": str(product_id), "warehouse_id": warehouse["id"], "supplier_id": supplier["id"],
        "order_id": str(order_id), "customer_id": str(found.owner),
    }  # fmt: skip
    lines = [{"product_id": str(product_id), "quantity": 9}]
    receipt = {"warehouse_id": warehouse["id"], "supplier_id": supplier["id"], "lines": lines}
    _made(await found.admin.post("/stock/receipts", json=receipt))
    wanted = [ProductQuantity(product_id=product_id, quantity=2)]
    until = utcnow() + timedelta(hours=1)
    await served.deliver(
        ReservationRequested(order_id=order_id, version=1, lines=wanted, reserved_until=until),
        FulfilmentRequested(
            order_id=order_id, version=2, customer_id=found.owner, number="1", lines=wanted,
            ship_to=Address.model_validate(SHIP_TO),
        ),
        ReturnExpected(
            order_id=order_id, version=3, customer_id=found.owner, number="1", lines=wanted, return_id=uuid7(),
        ),
    )  # fmt: skip
    return found


async def _order(served: Served) -> SeededService:
    found, product_id = SeededService("order", served, uuid4()), uuid7()
    await served.deliver(product_of(product_id), _account(found.owner))
    assert (await found.as_owner.put(f"/cart/items/{product_id}", json={"quantity": 3})).is_success
    lines = [{"product_id": str(product_id), "quantity": 2}]
    body = {"lines": lines, "ship_to": SHIP_TO}
    order = _made(await found.as_owner.post("/orders", json=body, headers={"Idempotency-Key": "owner's"}))
    order_id = UUID(order["id"])
    await served.deliver(ReservationAccepted(order_id=order_id, version=1, reserved_until=utcnow() + timedelta(days=1)))
    payment = Payment(
        order_id=order_id, customer_id=found.owner, amount=200, currency="GBP", gateway="sandbox",
        gateway_charge_id="ch_1", status=PaymentState.SUCCEEDED, settled_at=utcnow(),
    )  # fmt: skip
    async with served.runtime.database.session() as tx:
        tx.add(payment)
        await tx.flush()
        tx.add(Refund(payment_id=payment.id, order_id=order_id, amount=50, currency="GBP", gateway="sandbox"))
        tx.add(Return(order_id=order_id, customer_id=found.owner, currency="GBP", reason=OWNERS_NAME, lines=[]))
    await invoice(served, order_id)
    found.values = {
        "product_id": str(product_id), "order_id": order["id"],
        "customer_id": str(found.owner), "number": order["number"],
    }  # fmt: skip
    draft = {**body, "customer_id": str(found.owner)}
    _made(await found.admin.post("/drafts", json=draft))
    found.ids["/cart/items", "product_id"] = str(product_id)
    zone = _made(await found.admin.post("/tax/zones", json={"name": "Ireland", "countries": ["IE"]}))
    rate = {"zone_id": zone["id"], "tax_class": "standard", "rate": "0.23", "name": "VAT"}
    _made(await found.admin.post("/tax/rates", json={**rate, "starts_at": "2100-01-01T00:00:00Z"}))
    zone = _made(await found.admin.post("/shipping-zones", json={"name": "Everywhere", "countries": []}))
    method = _made(await found.admin.post("/shipping-methods", json=method_in(zone["id"], "post")))
    found.ids["/shipping-methods", "method_id"] = method["id"]
    promotion = {"name": "Hello", "stage": "order", "effect": {"amount": {"GBP": 1}}, "code": "HELLO", "limit": 9}
    _made(await found.admin.post("/promotions", json=promotion))
    return found


def method_in(zone_id: str, code: str) -> dict[str, Any]:
    rates = [{"currency": "GBP", "by": "total", "from": 0, "amount": 399}]
    return {
        "code": code, "name": "By post", "zone_id": zone_id, "kind": "delivery", "rates": rates,
        "min_days": 1, "max_days": 2,
    }  # fmt: skip


async def _notification(served: Served) -> SeededService:
    found, order_id = SeededService("notification", served, uuid4()), uuid7()
    await served.deliver(_account(found.owner))
    line = {"product_id": uuid7(), "quantity": 1, "unit_price": 100}
    placed = OrderPlaced(
        order_id=order_id, version=1, number="1", customer_id=found.owner, lines=[line],
        total=Money(amount=100, currency="GBP"),
    )  # fmt: skip
    await served.deliver(placed)
    off = {"kind": "order.paid", "channel": "email", "enabled": False}
    assert (await found.as_owner.put("/preferences", json={"items": [off]})).is_success
    found.values = {"order_id": str(order_id), "customer_id": str(found.owner)}
    return found


_SEED: dict[str, Callable[[Served], Awaitable[SeededService]]] = {
    "user": _user, "product": _product, "inventory": _inventory, "order": _order, "notification": _notification,
}  # fmt: skip


def _made(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def _price(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "GBP"}


def product_of(product_id: UUID) -> ProductChanged:
    price = ScheduledPrice(amount=100, currency="GBP", min_quantity=1, starts_at=utcnow() - timedelta(days=1))
    return ProductChanged(
        product_id=product_id, version=1, sku="L1", name="A lantern", slug="a-lantern", status="active", prices=[price]
    )


def _account(user_id: UUID) -> UserChanged:
    return UserChanged(
        user_id=user_id, version=1, email=OWNERS_EMAIL, full_name=OWNERS_NAME, roles=["User"], email_verified=True,
        active=True,
    )  # fmt: skip
