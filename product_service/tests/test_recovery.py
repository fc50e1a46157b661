"""Products are recovered from their snapshots."""

from contracts.events.products import ProductChanged
from product_service.tests.conftest import MakeProduct
from service_kit.recovery import JUMP
from tests.harness.recovery import recover, restored_database, unpublished
from tests.harness.service import Caller, Served

SHOWN = """
SELECT id, sku, slug, name, status, tax_class, weight_g, price_amount, price_currency, sort_key
FROM products ORDER BY id
"""


async def test_products_are_what_they_were_and_are_published_again(
    service: Served, staff: Caller, make_product: MakeProduct
) -> None:
    made, changed = await make_product(tax_class="zero", weight_g=5), await make_product()
    changes = {"name": "A new name", "tax_class": "reduced", "weight_g": 140}
    answer = await staff.patch(f"/products/{changed['id']}", json=changes)
    assert answer.is_success, answer.text
    async with restored_database("product_service") as restored:
        journal = await recover(service.runtime, restored)
        async with restored.connection() as ours, service.runtime.database.connection() as theirs:
            assert await ours.fetch(SHOWN) == await theirs.fetch(SHOWN)
            versions = [row[0] for row in await ours.fetch("SELECT version FROM products")]
        assert await unpublished(restored) == [ProductChanged.type] * 2
    assert min(versions) > JUMP
    [again] = [names for what, names in journal.lists.items() if "description" in what]
    assert sorted(again) == sorted([made["sku"], changed["sku"]])
