"""Creates missing categories, products with their price tiers, warehouses, suppliers and stock."""

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any

from tools.api import Api, for_each
from tools.demo.catalogue import CATEGORIES, CURRENCY, PRODUCTS, SUPPLIERS, TIERS, WAREHOUSES, DemoProduct

AT_ONCE = 4


async def stock_up(staff: Api) -> dict[str, str]:
    """Creates what is missing. Returns the products' ids by SKU."""
    products = await _products(staff)
    for code, body in WAREHOUSES.items():
        supplier = SUPPLIERS[code]
        warehouse_id, supplier_id = await asyncio.gather(
            staff.find_or_create("inventory", "/warehouses", {"code": code, **body}, code=code),
            staff.find_or_create("inventory", "/suppliers", supplier, name=supplier["name"]),
        )
        await _receive(staff, code, warehouse_id, supplier_id, products)
    return products


async def _products(staff: Api) -> dict[str, str]:
    statuses = ["active", "draft", "archived"]
    found = await staff.all(
        "product", "/products", sku=[product.sku for product in PRODUCTS], status=statuses, sort="created_at"
    )
    existing = {product["sku"]: product for product in found}
    missing = [product for product in PRODUCTS if product.sku not in existing]
    categories = await _categories(staff) if missing else {}

    async def create(product: DemoProduct) -> None:
        body = {
            "sku": product.sku,
            "name": product.name,
            "description": product.description,
            "category_id": categories[product.category],
            "attributes": product.attributes,
            "price": {"amount": product.price, "currency": CURRENCY},
            "status": "active",
        }
        existing[product.sku] = await staff.post("product", "/products", body)

    async def price(product: DemoProduct) -> None:
        await _tiers(staff, existing[product.sku], product.price)

    await for_each(missing, create, at_once=AT_ONCE)
    # A product lacks its tiers if an earlier run was interrupted; its version shows how many it has.
    without = [product for product in PRODUCTS if existing[product.sku]["version"] <= len(TIERS)]
    await for_each(without, price, at_once=AT_ONCE)
    return {sku: product["id"] for sku, product in existing.items()}


async def _tiers(staff: Api, product: dict[str, Any], price: int) -> None:
    path = f"/products/{product['id']}/prices"
    existing = {tier["min_quantity"] for tier in await staff.all("product", path)}
    version = product["version"]
    for quantity, percent in TIERS.items():
        if quantity not in existing:
            body = {"amount": price * percent // 100, "currency": CURRENCY, "min_quantity": quantity}
            await staff.post("product", path, body, if_match=version)
            version += 1


async def _categories(staff: Api) -> dict[str, str]:
    tree = await staff.get("product", "/categories/tree")
    ids = {category["name"]: category["id"] for category in _flat(tree["items"])}
    for name, parent in CATEGORIES.items():
        if name not in ids:
            body = {"name": name, "parent_id": ids[parent] if parent else None}
            ids[name] = (await staff.post("product", "/categories", body))["id"]
    return ids


def _flat(nodes: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for node in nodes:
        yield node
        yield from _flat(node["children"])


async def _receive(staff: Api, code: str, warehouse_id: str, supplier_id: str, products: dict[str, str]) -> None:
    """Books one receipt of all products that were never in stock in this warehouse."""
    existing = {level["product_id"] for level in await staff.all("inventory", "/stock", warehouse_id=warehouse_id)}
    lines = [
        {
            "product_id": products[product.sku],
            "quantity": product.stock[code],
            "unit_cost": {"amount": product.price * 45 // 100, "currency": CURRENCY},
            "batch": f"{code}-DEMO",
        }
        for product in PRODUCTS
        if product.stock.get(code) and products[product.sku] not in existing
    ]
    if lines:
        body = {"warehouse_id": warehouse_id, "supplier_id": supplier_id, "lines": lines}
        # The inventory service learns of new products by events, which may not have arrived yet.
        await staff.post("inventory", "/stock/receipts", body, wait_for=["product-unknown"])
