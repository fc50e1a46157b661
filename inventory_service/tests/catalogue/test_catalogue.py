"""The copy of the catalogue follows the events of the product service."""

from contracts.events.products import ProductChanged, ProductDeleted
from inventory_service.tests.inventory import Inventory


async def test_stock_of_a_deleted_product_is_rejected_even_after_an_older_event(inventory: Inventory) -> None:
    product_id, warehouse_id = await inventory.stocked(2)
    await inventory.deliver(ProductDeleted(product_id=product_id, version=3))
    await inventory.product(product_id=product_id, version=2)
    body = {"warehouse_id": str(warehouse_id), "lines": [{"product_id": str(product_id), "quantity": 1}]}
    answer = await inventory.staff.post("/stock/receipts", json=body)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/product-deleted")
    (item,) = (await inventory.staff.get("/stock")).json()["items"]
    assert item["name"].startswith("Product"), "its stock is still shown with its name"


async def test_the_newest_snapshot_is_kept_in_whatever_order_they_arrive(inventory: Inventory) -> None:
    product_id, _ = await inventory.stocked(1)

    def snapshot(version: int) -> ProductChanged:
        return ProductChanged(
            product_id=product_id,
            sku="S",
            name=f"Name {version}",
            slug="s",
            status="active",
            prices=[],
            version=version,
        )

    await inventory.deliver(snapshot(3), snapshot(5), snapshot(4))
    await inventory.deliver(snapshot(2))
    (item,) = (await inventory.staff.get("/stock")).json()["items"]
    assert item["name"] == "Name 5"
