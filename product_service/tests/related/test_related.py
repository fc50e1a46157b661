"""Products that staff link, and products that are bought together."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from product_service.related import jobs
from product_service.related.schemas import RelatedOut
from product_service.tests.conftest import Bought, Json, MakeProduct
from product_service.tests.families.conftest import OPTIONS
from service_kit.clock import utcnow
from tests.harness.service import Caller, Served


async def related(service: Served, product: Json) -> RelatedOut:
    answer = await service.anonymous.get(f"/products/{product['id']}/related")
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "public, max-age=60"
    return RelatedOut.model_validate_json(answer.content)


async def execute(service: Served, statement: str) -> None:
    async with service.runtime.database.transaction() as tx:
        await tx.execute(statement)


async def count_all(service: Served) -> None:
    await execute(service, "DELETE FROM bought_together_runs")
    while await jobs.count_bought_together(service.runtime):
        pass


def ids(*products: Json) -> list[UUID]:
    return [UUID(each["id"]) for each in products]


async def test_links_are_shown_in_their_sequence(service: Served, staff: Caller, make_product: MakeProduct) -> None:
    lamp, bulb, shade, draft = [await make_product(status=status) for status in ("active", "active", "active", "draft")]
    path = f"/products/{lamp['id']}/links"
    links = [
        {"product_id": shade["id"], "kind": "alternative"},
        {"product_id": draft["id"], "kind": "accessory"},
        {"product_id": bulb["id"], "kind": "spare_part"},
    ]
    assert (await staff.put(path, json={"links": links})).status_code == 204
    shown = (await related(service, lamp)).links
    assert [(each.kind, each.product.id) for each in shown] == [
        ("alternative", UUID(shade["id"])),
        ("spare_part", UUID(bulb["id"])),
    ]
    assert (await staff.put(path, json={"links": links[:1]})).status_code == 204
    assert len((await related(service, lamp)).links) == 1
    assert (await related(service, shade)).links == []


async def test_links_to_nothing_are_rejected(staff: Caller, make_product: MakeProduct) -> None:
    lamp, unknown = await make_product(), str(uuid4())
    path = f"/products/{lamp['id']}/links"
    link = {"product_id": unknown, "kind": "accessory"}
    answer = await staff.put(path, json={"links": [link]})
    assert (answer.status_code, answer.json()["product_ids"]) == (409, [unknown])
    for links in ([link, link], [{"product_id": lamp["id"], "kind": "accessory"}], [{**link, "kind": "friend"}]):
        assert (await staff.put(path, json={"links": links})).status_code == 422


async def test_products_in_at_least_two_orders_are_bought_together(
    service: Served, make_product: MakeProduct, bought: Bought
) -> None:
    lamp, bulb, shade, mug = [await make_product() for _ in range(4)]
    for others in ([bulb], [bulb, shade], [bulb, shade, mug]):
        await bought(uuid4(), lamp["id"], *(each["id"] for each in others))
    await count_all(service)
    shown = (await related(service, lamp)).bought_together
    assert [each.id for each in shown] == ids(bulb, shade), "the mug was bought once"
    assert [each.id for each in (await related(service, mug)).bought_together] == []
    await count_all(service)
    assert (await related(service, lamp)).bought_together == shown, "counting again changes nothing"


async def test_old_orders_count_less_and_large_ones_not_at_all(
    service: Served, make_product: MakeProduct, bought: Bought
) -> None:
    lamp, old, new, huge = [await make_product() for _ in range(4)]
    for _ in range(3):
        order_id = await bought(uuid4(), lamp["id"], old["id"])
        at = utcnow() - timedelta(weeks=39)
        await execute(service, f"UPDATE purchases SET ordered_at = '{at.isoformat()}' WHERE order_id = '{order_id}'")
    for _ in range(2):
        await bought(uuid4(), lamp["id"], new["id"])
        await bought(uuid4(), lamp["id"], huge["id"], *(str(uuid4()) for _ in range(20)))
    await count_all(service)
    assert [each.id for each in (await related(service, lamp)).bought_together] == ids(new, old)


async def test_variants_of_one_family_are_not_shown_beside_each_other(
    service: Served, staff: Caller, make_product: MakeProduct, bought: Bought
) -> None:
    family = (await staff.post("/families", json={"name": "Apron", "options": OPTIONS})).json()
    blue, red = [
        await make_product(family_id=family["id"], options={"colour": colour, "size": "M"})
        for colour in ("blue", "red")
    ]
    mug = await make_product()
    for _ in range(2):
        await bought(uuid4(), blue["id"], red["id"], mug["id"])
    await count_all(service)
    assert [each.id for each in (await related(service, blue)).bought_together] == ids(mug)


async def test_a_round_continues_where_it_stopped_and_is_due_every_hour(
    service: Served, make_product: MakeProduct, bought: Bought, monkeypatch: pytest.MonkeyPatch
) -> None:
    products = [await make_product() for _ in range(5)]
    for _ in range(2):
        await bought(uuid4(), *(each["id"] for each in products))
    monkeypatch.setattr(jobs, "BATCH", 2)
    rounds = [await jobs.count_bought_together(service.runtime) for _ in range(4)]
    assert rounds == [True, True, False, False], "five products in three batches, then nothing is due"
    for each in products:
        assert len((await related(service, each)).bought_together) == 4


async def test_only_products_on_sale_have_related_ones(service: Served, make_product: MakeProduct) -> None:
    draft = await make_product(status="draft")
    for id in (draft["id"], str(uuid4())):
        assert (await service.anonymous.get(f"/products/{id}/related")).status_code == 404
