"""The operations with which staff change data of others, and for each a resource that it can succeed on."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from contracts.permissions import ROLES, Role
from product_service.tests.media.pictures import picture
from tests.security.operations import SERVICES, Operation, operations
from tests.security.seeded_service import SHIP_TO, SeededService, method_in

READS = ("get", "head")
CHANGE_NOTHING = {("order", "POST /promotions/preview"), ("product", "POST /price-rules/preview")}
"""Operations that would be a GET if their request had no body."""
DELIVERED = """
UPDATE orders SET status = 'delivered', fulfilment_status = 'fulfilled', captured = total, delivered_at = now()
"""


@dataclass
class Request:
    """The resource and body to send where the examples in the OpenAPI document could not succeed."""

    ids: Mapping[tuple[str, str], str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None


Prepare = Callable[[SeededService], Awaitable[Request]]


def staff_operations() -> list[tuple[str, str]]:
    """Every service's operations that change something and need a permission that customers lack, and those that
    staff may call on behalf of customers."""
    found = [
        (service, str(each))
        for service in SERVICES
        for each in operations(service)
        if each.method not in READS
        and set(each.permissions or ()) - ROLES[Role.USER]
        and (service, str(each)) not in CHANGE_NOTHING
    ]
    return [*found, ("user", "POST /users"), *(("order", operation) for operation in FOR_CUSTOMERS)]


async def carry_out(seeded: SeededService, operation: Operation, client: httpx.AsyncClient) -> httpx.Response:
    prepare = PREPARED.get((seeded.service, str(operation)))
    request = await prepare(seeded) if prepare else Request()
    keywords = operation.request(seeded.values)
    if request.body is not None:
        keywords["json"] = request.body
    return await client.request(operation.method, operation.url({**seeded.ids, **request.ids}), **keywords)


async def _made(seeded: SeededService, path: str, body: Mapping[str, Any]) -> str:
    """Creates a resource that the tested request needs, and returns its id or name."""
    answer = await seeded.admin.post(path, json=body)
    assert answer.status_code == 201, answer.text
    found = answer.json()
    return str(found.get("id") or found.get("name"))


def _with(body: Mapping[str, Any]) -> Prepare:
    async def prepare(_: SeededService) -> Request:
        return Request(body=body)

    return prepare


def _another(path: str, parameter: str, made_of: Mapping[str, Any], body: Mapping[str, Any] | None = None) -> Prepare:
    """Creates a resource of its own for the request, which nothing refers to yet."""

    async def prepare(seeded: SeededService) -> Request:
        return Request({(path, parameter): await _made(seeded, path, made_of)}, body)

    return prepare


async def _import(seeded: SeededService) -> Request:
    answer = await seeded.admin.post("/imports", content=b"sku\r\n", headers={"Content-Type": "text/csv"})
    return Request({("/imports", "import_id"): answer.json()["id"]})


async def _unused_image(seeded: SeededService) -> Request:
    answer = await seeded.admin.post("/media", content=picture("GIF"))
    return Request({("/media", "media_id"): answer.json()["id"]})


async def _collected(seeded: SeededService) -> Request:
    return Request(body={"product_ids": [seeded.values["product_id"]]})


async def _linked(seeded: SeededService) -> Request:
    answer = await seeded.admin.post("/products", json=DRAFT)
    return Request(body={"links": [{"product_id": answer.json()["id"], "kind": "accessory"}]})


async def _client_with_secrets(seeded: SeededService) -> Request:
    body = {"name": "robots", "permissions": ["stock:read"], "owner_id": str(seeded.owner)}
    id = await _made(seeded, "/api-clients", body)
    return Request({("/api-clients", "client_id"): id})


async def _renamed_client(seeded: SeededService) -> Request:
    found = await _client_with_secrets(seeded)
    return Request(found.ids, {"name": "faster robots", "permissions": []})


async def _second_secret(seeded: SeededService) -> Request:
    found = await _client_with_secrets(seeded)
    [id] = found.ids.values()
    secret = (await seeded.admin.post(f"/api-clients/{id}/secrets")).json()
    return Request({**found.ids, ("/api-clients/{client_id}/secrets", "secret_id"): secret["id"]})


async def _dispatched(seeded: SeededService) -> Request:
    id = seeded.ids["/shipments", "shipment_id"]
    body = {"carrier": "Royal Mail", "tracking_number": "RM1"}
    assert (await seeded.admin.post(f"/shipments/{id}/dispatch", json=body)).is_success
    return Request()


async def _corrected(seeded: SeededService) -> Request:
    await _dispatched(seeded)
    return Request(body={"carrier": "Royal Mail", "tracking_number": "RM2"})


async def _collection(seeded: SeededService) -> Request:
    parcel = {"shipment_id": seeded.ids["/shipments", "shipment_id"], "carrier": "Royal Mail", "tracking_number": "RM1"}
    return Request(body={"parcels": [parcel]})


async def _receive_return(seeded: SeededService) -> Request:
    lines = [{"product_id": seeded.values["product_id"], "restock": 1}]
    return Request(body={"warehouse_id": seeded.values["warehouse_id"], "lines": lines})


async def _delivered(seeded: SeededService) -> Request:
    await _run(seeded, DELIVERED)
    return Request()


async def _to_return(seeded: SeededService) -> Request:
    await _run(seeded, DELIVERED)
    return Request(body={"lines": [{"product_id": seeded.values["product_id"], "quantity": 1}], "reason": "too small"})


async def _unpaid(seeded: SeededService) -> Request:
    await _run(seeded, "UPDATE orders SET status = 'awaiting_payment', captured = 0, total = 1000000")
    return Request()


async def _by_hand(seeded: SeededService) -> Request:
    await _run(seeded, "UPDATE refunds SET gateway = 'bank_transfer'")
    return Request()


async def _sent(seeded: SeededService) -> Request:
    await _run(seeded, "UPDATE deliveries SET status = 'sent', sent_at = now()")
    return Request()


async def _for_customer(seeded: SeededService) -> Request:
    lines = [{"product_id": seeded.values["product_id"], "quantity": 1}]
    return Request(body={"lines": lines, "ship_to": SHIP_TO, "customer_id": str(seeded.owner)})


async def _another_rate(seeded: SeededService) -> Request:
    zone_id = seeded.ids["/tax/zones", "zone_id"]
    return Request(body={"zone_id": zone_id, "tax_class": "reduced", "rate": "0.09", "name": "VAT"})


async def _active_promotion(seeded: SeededService) -> Request:
    await _run(seeded, "UPDATE promotions SET status = 'active'")
    return Request()


async def _list_with_a_price(seeded: SeededService) -> Request:
    await _run(
        seeded,
        "INSERT INTO price_list_entries (list_id, product_id, min_quantity, amount)"
        " SELECT l.id, p.id, 1, 5 FROM price_lists l, products p",
    )
    return Request()


async def _active_list(seeded: SeededService) -> Request:
    await _run(seeded, "UPDATE price_lists SET state = 'active'")
    return Request()


async def _another_method(seeded: SeededService) -> Request:
    return Request(body=method_in(seeded.ids["/shipping-zones", "zone_id"], "express"))


async def _run(seeded: SeededService, sql: str) -> None:
    async with seeded.served.runtime.database.connection() as connection:
        await connection.execute(sql)


FOR_CUSTOMERS: dict[str, Prepare] = {
    "POST /orders": _for_customer,
    "PATCH /orders/{order_id}": _with({"ship_to": {**SHIP_TO, "line1": "13 Canary Wharf Lane"}}),
    "POST /orders/{order_id}/cancel": _with({"reason": "asked by telephone"}),
    "POST /orders/{order_id}/returns": _to_return,
}
"""Operations that customers may call for themselves, as staff call them on behalf of a customer."""

ROLE = {"name": "Packer", "description": "packs", "permissions": ["shipments:read"]}
DRAFT = {"sku": "L2", "name": "Draft", "price": {"amount": 1, "currency": "GBP"}}
WAREHOUSE = {"code": "W2", "name": "Second"}
TAX_ZONE = {"name": "France", "countries": ["FR"]}
ZONE = {"name": "France", "countries": ["FR"]}
PROMOTION = {"name": "Sale", "stage": "order", "effect": {"percent": {"rate": "0.1"}}, "automatic": True}
PREPARED: dict[tuple[str, str], Prepare] = {
    ("user", "POST /users"): _with({"email": "new@example.com", "password": "a long new horse", "full_name": "New"}),
    ("user", "PATCH /users/{user_id}"): _with({"full_name": "Wilma"}),
    ("user", "PATCH /roles/{name}"): _another("/roles", "name", ROLE, {"description": "packs and hands over"}),
    ("user", "DELETE /roles/{name}"): _another("/roles", "name", ROLE),
    ("user", "PATCH /api-clients/{client_id}"): _renamed_client,
    ("user", "DELETE /api-clients/{client_id}"): _client_with_secrets,
    ("user", "POST /api-clients/{client_id}/secrets"): _client_with_secrets,
    ("user", "DELETE /api-clients/{client_id}/secrets/{secret_id}"): _second_secret,
    ("user", "PUT /customer-groups/{group_id}/members/{user_id}"): _another(
        "/customer-groups", "group_id", {"name": "New"}
    ),
    ("product", "PUT /collections/{collection_id}/products"): _collected,
    ("product", "PUT /products/{product_id}/links"): _linked,
    ("product", "DELETE /categories/{category_id}"): _another("/categories", "category_id", {"name": "Empty"}),
    ("product", "POST /imports/{import_id}/cancel"): _import,
    ("product", "POST /families/{family_id}/variants"): _with({"sku": "L", "price": DRAFT["price"]}),
    ("product", "DELETE /media/{media_id}"): _unused_image,
    ("product", "DELETE /products/{product_id}"): _another("/products", "product_id", DRAFT),
    ("product", "POST /price-lists/{list_id}/activate"): _list_with_a_price,
    ("product", "POST /price-lists/{list_id}/end"): _active_list,
    ("inventory", "DELETE /warehouses/{warehouse_id}"): _another("/warehouses", "warehouse_id", WAREHOUSE),
    ("inventory", "DELETE /suppliers/{supplier_id}"): _another("/suppliers", "supplier_id", {"name": "New"}),
    ("inventory", "PATCH /shipments/{shipment_id}/dispatch"): _corrected,
    ("inventory", "POST /shipments/{shipment_id}/lost"): _dispatched,
    ("inventory", "POST /shipments/{shipment_id}/deliver"): _dispatched,
    ("inventory", "POST /dispatches"): _collection,
    ("inventory", "POST /returns/{return_id}/receive"): _receive_return,
    ("order", "POST /payments/{payment_id}/refunds"): _with({"amount": 100}),
    ("order", "POST /orders/{order_id}/bank-transfers"): _unpaid,
    ("order", "POST /refunds/{refund_id}/confirm"): _by_hand,
    ("order", "POST /refunds/{refund_id}/fail"): _by_hand,
    ("order", "POST /returns/{return_id}/approve"): _delivered,
    ("order", "POST /returns/{return_id}/reject"): _delivered,
    ("order", "DELETE /tax/zones/{zone_id}"): _another("/tax/zones", "zone_id", TAX_ZONE),
    ("order", "POST /tax/rates"): _another_rate,
    ("order", "PATCH /tax/rates/{rate_id}"): _with({"rate": "0.21"}),
    ("order", "POST /shipping-methods"): _another_method,
    ("order", "DELETE /shipping-zones/{zone_id}"): _another("/shipping-zones", "zone_id", ZONE),
    ("order", "DELETE /promotions/{promotion_id}"): _another("/promotions", "promotion_id", PROMOTION),
    ("order", "POST /promotions/{promotion_id}/end"): _active_promotion,
    ("notification", "POST /deliveries/{id}/send"): _sent,
    **{("order", operation): prepare for operation, prepare in FOR_CUSTOMERS.items()},
}
