"""Creates missing products, customers and stock for the orders, through the APIs."""

import asyncio
import json
import math
import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from local_stack.errors import StackError
from tools.api import Api, ApiError, for_each
from tools.replay.sales import Invoice, Product
from tools.replay.terms import Terms, prepare_terms

DOMAIN = "online-retail.example"
CATEGORY = "Online Retail"
SUPPLIER = "Online Retail wholesale"
WAREHOUSE_CODE, WAREHOUSE = "ONLINE-RETAIL", "Online Retail warehouse"
CURRENCY = "GBP"
# The most SKUs of one request, and lines of one receipt, whose body stays far below 1 MiB.
SKUS_AT_ONCE, RECEIPT_LINES = 100, 2_000
CREATING_AT_ONCE = 6
POLL_SECONDS = 0.2
"""Seconds between two looks at an import, which has no event that a program could wait for."""
ENDED = ("done", "failed", "cancelled")

Advance = Callable[[int], None]


@dataclass(slots=True)
class Ready:
    """Ids by the names in the file: products by SKU, customers by e-mail."""

    products: dict[str, str] = field(default_factory=dict)
    customers: dict[str, str] = field(default_factory=dict)
    warehouse_id: str = ""
    supplier_id: str = ""
    terms: Terms = field(default_factory=Terms)


def email_of(invoice: Invoice) -> str:
    """The customer's address. Invoices without a customer share a walk-in customer for each country."""
    if invoice.customer:
        return f"customer-{invoice.customer.lower()}@{DOMAIN}"
    return f"walk-in-{re.sub(r'[^a-z0-9]+', '-', invoice.country.lower()).strip('-') or 'unknown'}@{DOMAIN}"


def name_of(invoice: Invoice) -> str:
    return f"Customer {invoice.customer}" if invoice.customer else f"Walk-in customer, {invoice.country}"


def quantity_to_receive(units: int, factor: Fraction) -> int:
    return math.ceil(units * factor)


async def prepare(
    api: Api,
    products: Sequence[Product],
    invoices: Iterable[Invoice],
    advance_products: Advance,
    advance_users: Advance,
    tax: str = "",
) -> Ready:
    """Raises: ApiError, ApiUnreachable, StackError."""
    ready = Ready(terms=await prepare_terms(api, tax))
    ready.warehouse_id, ready.supplier_id = await asyncio.gather(
        api.find_or_create(
            "inventory", "/warehouses", {"code": WAREHOUSE_CODE, "name": WAREHOUSE}, code=WAREHOUSE_CODE
        ),
        api.find_or_create("inventory", "/suppliers", {"name": SUPPLIER}, name=SUPPLIER),
    )
    names = {email_of(invoice): name_of(invoice) for invoice in invoices}
    await asyncio.gather(
        _products(api, products, ready.products, advance_products),
        _customers(api, names, ready.customers, advance_users),
    )
    return ready


async def _products(api: Api, products: Sequence[Product], ids: dict[str, str], advance: Advance) -> None:
    for start in range(0, len(products), SKUS_AT_ONCE):
        await _find_products(api, [product.sku for product in products[start : start + SKUS_AT_ONCE]], ids)
    advance(len(ids))
    missing = [product for product in products if product.sku not in ids]
    if missing:
        await _import(api, missing)
        for start in range(0, len(missing), SKUS_AT_ONCE):
            await _find_products(api, [product.sku for product in missing[start : start + SKUS_AT_ONCE]], ids)
        advance(len(missing))


async def _import(api: Api, products: Sequence[Product]) -> None:
    """Creates products by one import. If it is repeated, it finds them unchanged. Raises: StackError."""
    fixed = {"category": CATEGORY, "price_currency": CURRENCY, "status": "active"}
    rows = ({"sku": each.sku, "name": each.name[:200], "price_amount": each.price, **fixed} for each in products)
    content = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    found = await api.upload("product", "/imports?create_categories=true", content, "application/jsonl")
    while found["state"] not in ENDED:
        await asyncio.sleep(POLL_SECONDS)
        found = await api.get("product", f"/imports/{found['id']}")
    if found["state"] != "done" or found["failed"]:
        words = f"{found['failed']} rows failed, which GET /imports/{found['id']}/failed-rows names"
        raise StackError(f"The import of products is {found['state']}: {found['error'] or words}.")


async def _find_products(api: Api, skus: Sequence[str], ids: dict[str, str]) -> None:
    found = await api.all("product", "/products", sku=skus, status=["active", "draft", "archived"], sort="created_at")
    off_sale = [product["sku"] for product in found if product["status"] != "active"]
    if off_sale:
        raise StackError(f"Not on sale, so that nobody can order them: {', '.join(off_sale)}. Make them active first.")
    ids.update({product["sku"]: product["id"] for product in found})


async def _customers(api: Api, names: dict[str, str], ids: dict[str, str], advance: Advance) -> None:
    async for page in api.pages("user", "/users", q=f"@{DOMAIN}"):
        ids.update({account["email"]: account["id"] for account in page if account["email"] in names})
    advance(len(ids))

    async def create(email: str) -> None:
        # The password is not stored, because staff place these customers' orders.
        body = {"email": email, "password": secrets.token_urlsafe(24), "full_name": names[email]}
        try:
            ids[email] = (await api.post("user", "/users", body, repeatable=True))["id"]
        except ApiError as error:
            if error.type != "email-taken":
                raise
            ids[email] = (await api.get("user", "/users", q=email))["items"][0]["id"]
        advance(1)

    await for_each([email for email in names if email not in ids], create, at_once=CREATING_AT_ONCE)


async def receive(api: Api, ready: Ready, products: Sequence[Product], factor: Fraction) -> list[str]:
    """Receives `factor` times the quantities that the file sells; returns the receipts' ids."""
    lines: list[dict[str, Any]] = [
        {"product_id": ready.products[product.sku], "quantity": quantity}
        for product in products
        if (quantity := quantity_to_receive(product.units, factor))
    ]
    receipts = []
    for start in range(0, len(lines), RECEIPT_LINES):
        body = {
            "warehouse_id": ready.warehouse_id,
            "supplier_id": ready.supplier_id,
            "lines": lines[start : start + RECEIPT_LINES],
        }
        # The inventory service learns of new products by events, which may not have arrived yet.
        receipt = await api.post("inventory", "/stock/receipts", body, wait_for=["product-unknown"])
        receipts.append(str(receipt["id"]))
    return receipts
