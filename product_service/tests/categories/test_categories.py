"""Categories over HTTP, and the rules of their tree."""

import asyncio
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from product_service.categories.models import MAX_DEPTH, CategoriesTooDeep, CategoryCycle, Tree
from product_service.tests.conftest import Json, MakeCategory, MakeProduct
from product_service.text import SLUG_LENGTH
from tests.harness.service import Caller, Served

IDS = [UUID(int=number) for number in range(12)]


@given(
    moves=st.lists(st.tuples(st.sampled_from(IDS), st.none() | st.sampled_from(IDS)), max_size=60),
)
def test_allowed_moves_never_make_a_cycle_or_go_too_deep(moves: list[tuple[UUID, UUID | None]]) -> None:
    parents: dict[UUID, UUID | None] = dict.fromkeys(IDS)
    for id, parent_id in moves:
        try:
            Tree(parents.items()).check_move(id, parent_id)
        except (CategoryCycle, CategoriesTooDeep):
            continue
        parents[id] = parent_id
        for start in IDS:
            way: list[UUID] = []
            at: UUID | None = start
            while at is not None:
                assert at not in way
                way.append(at)
                at = parents[at]
            assert len(way) <= MAX_DEPTH


async def tree(service: Served) -> list[Json]:
    items: list[Json] = (await service.anonymous.get("/categories/tree")).json()["items"]
    return items


def names(nodes: list[Json]) -> Json:
    return {node["name"]: names(node["children"]) for node in nodes}


async def test_categories_are_returned_as_a_tree(service: Served, make_category: MakeCategory) -> None:
    home = await make_category("Home")
    lights = await make_category("Lights", home)
    await make_category("Candles", lights)
    await make_category("Garden")
    assert names(await tree(service)) == {"Garden": {}, "Home": {"Lights": {"Candles": {}}}}
    below = await service.anonymous.get("/categories", params={"parent_id": home["id"]})
    assert [item["name"] for item in below.json()["items"]] == ["Lights"]
    by_slug = await service.anonymous.get("/categories", params={"slug": "lights"})
    assert [item["id"] for item in by_slug.json()["items"]] == [lights["id"]]
    assert (await service.anonymous.get(f"/categories/{lights['id']}")).json() == lights


async def test_slugs_are_unique_and_siblings_have_different_names(staff: Caller, make_category: MakeCategory) -> None:
    home, office = await make_category("Home"), await make_category("Office")
    assert (await make_category("Chairs", home))["slug"] == "chairs"
    assert (await make_category("Chairs", office))["slug"] == "office-chairs"
    assert (await make_category("椅子"))["slug"]
    again = await staff.post("/categories", json={"name": "Chairs", "parent_id": home["id"]})
    assert (again.status_code, again.json()["type"]) == (409, "/problems/category-exists")
    assert (await staff.post("/categories", json={"name": "Home"})).status_code == 409


async def test_categories_with_long_names_that_begin_alike_get_different_slugs(make_category: MakeCategory) -> None:
    parent = await make_category("p" * 100)
    made = [await make_category("x" * 90 + end, below) for below in (None, parent) for end in "abc"]
    assert len({category["slug"] for category in made}) == 6
    assert max(len(category["slug"]) for category in made) <= SLUG_LENGTH


async def test_a_category_cannot_move_into_itself_or_a_descendant(
    staff: Caller, service: Served, make_category: MakeCategory
) -> None:
    a = await make_category("A")
    b = await make_category("B", a)
    c = await make_category("C", b)
    for target in (a, b, c):
        rejected = await staff.patch(f"/categories/{a['id']}", json={"parent_id": target["id"]})
        assert (rejected.status_code, rejected.json()["type"]) == (409, "/problems/category-cycle")
    assert (await staff.patch(f"/categories/{b['id']}", json={"parent_id": None})).status_code == 200
    assert (await staff.patch(f"/categories/{a['id']}", json={"parent_id": c["id"]})).status_code == 200
    assert names(await tree(service)) == {"B": {"C": {"A": {}}}}


async def test_concurrent_moves_make_no_cycle(staff: Caller, service: Served, make_category: MakeCategory) -> None:
    a, b = await make_category("A"), await make_category("B")
    answers = await asyncio.gather(
        staff.patch(f"/categories/{a['id']}", json={"parent_id": b["id"]}),
        staff.patch(f"/categories/{b['id']}", json={"parent_id": a["id"]}),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]


async def test_categories_are_nested_up_to_the_limit(staff: Caller, make_category: MakeCategory) -> None:
    parent = None
    for level in range(MAX_DEPTH):
        parent = await make_category(f"Level {level}", parent)
    assert parent is not None
    rejected = await staff.post("/categories", json={"name": "Deeper", "parent_id": parent["id"]})
    assert rejected.json()["type"] == "/problems/categories-too-deep"


async def test_a_change_of_an_outdated_version_is_rejected(staff: Caller, make_category: MakeCategory) -> None:
    path = f"/categories/{(await make_category('A'))['id']}"
    etag = (await staff.get(path)).headers["etag"]
    assert (await staff.patch(path, json={"name": "B"}, headers={"If-Match": etag})).json()["version"] == 2
    assert (await staff.patch(path, json={"name": "C"}, headers={"If-Match": etag})).status_code == 412
    assert (await staff.delete(path, headers={"If-Match": etag})).status_code == 412


async def test_only_an_empty_category_is_deleted(
    staff: Caller, make_category: MakeCategory, make_product: MakeProduct
) -> None:
    a = await make_category("A")
    b = await make_category("B", a)
    product = await make_product(category_id=b["id"])
    for category in (a, b):
        rejected = await staff.delete(f"/categories/{category['id']}")
        assert (rejected.status_code, rejected.json()["type"]) == (409, "/problems/category-not-empty")
    await staff.patch(f"/products/{product['id']}", json={"category_id": None})
    for category in (b, a):
        assert (await staff.delete(f"/categories/{category['id']}")).status_code == 204
        assert (await staff.get(f"/categories/{category['id']}")).status_code == 404


async def test_a_category_is_not_deleted_while_a_product_is_moved_into_it(
    staff: Caller, make_category: MakeCategory, make_product: MakeProduct
) -> None:
    category, product = await make_category("A"), await make_product()
    answers = await asyncio.gather(
        staff.delete(f"/categories/{category['id']}"),
        staff.patch(f"/products/{product['id']}", json={"category_id": category["id"]}),
    )
    assert [answer.status_code for answer in answers] in ([204, 409], [409, 200])


async def test_customers_cannot_change_categories(service: Served, staff: Caller) -> None:
    assert (await service.anonymous.post("/categories", json={"name": "A"})).status_code == 401
    assert (await service.caller().post("/categories", json={"name": "A"})).status_code == 403
    assert (await staff.post("/categories", json={"name": "A", "parent_id": str(uuid4())})).status_code == 409


@pytest.mark.parametrize("body", [{"name": None}, {"name": " "}, {"name": "a\nb"}, {"slug": "x"}])
async def test_invalid_changes_are_rejected(staff: Caller, make_category: MakeCategory, body: Json) -> None:
    path = f"/categories/{(await make_category('A'))['id']}"
    assert (await staff.patch(path, json=body)).status_code == 422
