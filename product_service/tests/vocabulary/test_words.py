"""Synonyms, corrections and incomplete words."""

import asyncio
from typing import Any

import pytest

from product_service.tests.conftest import Json, MakeProduct, found, make_named
from product_service.vocabulary.jobs import collect_words
from tests.harness.service import Caller, Served

HEART, SHADE, SOFA, PLATE = "White heart", "Lampshade of linen", "Sofa cover", "Tea plate"


@pytest.fixture
async def goods(service: Served, make_product: MakeProduct) -> None:
    await make_named(make_product, HEART, SHADE, SOFA, PLATE)
    await collect_words(service.runtime)


async def answer(service: Served, q: str) -> Json:
    found: Json = (await service.anonymous.get("/products", params={"q": q})).json()
    return found


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("haert", [HEART]),  # swapped letters have no trigram in common
        ("hxart", [HEART]),
        ("heartt", [HEART]),
        ("hert", [HEART]),
        ("whitte haert", [HEART]),
        ("hea", [HEART]),
        ("white hea", [HEART]),
        ("shade", [SHADE]),
        ("lampsh", [SHADE]),
        ("linne lapmshade", [SHADE]),
        ("the white heart", [HEART]),
        ('"the" heart', [HEART]),
        ("heart the", [HEART]),
        ("sofas", [SOFA]),
    ],
)
@pytest.mark.usefixtures("goods")
async def test_words_are_corrected_and_completed(service: Served, q: str, expected: list[str]) -> None:
    assert await found(service, q=q) == expected


@pytest.mark.parametrize(
    "q", ["set/4 cadles", "SET/4 CANDLES", "4 candles set", "candles m.o.p x-4", "m p", "4 candles"]
)
async def test_words_joined_by_signs_are_found(service: Served, make_product: MakeProduct, q: str) -> None:
    name = "Set/4 candles M.O.P x-4"
    await make_named(make_product, name, HEART)
    await collect_words(service.runtime)
    assert await found(service, q=q) == [name]


async def test_words_follow_the_products_on_sale(service: Served, staff: Caller, make_product: MakeProduct) -> None:
    product = await make_product(name="Äpfel Äpfel 2nd")
    await make_product(name="Äpfel", status="draft")

    async def words() -> dict[str, int]:
        await collect_words(service.runtime)
        async with service.runtime.database.connection() as connection:
            return dict(await connection.fetch("SELECT word, products FROM search_words"))

    assert await words() == {"apfel": 1}
    await make_product(name="Äpfel, süß")
    assert await words() == {"apfel": 2, "suss": 1}
    await staff.patch(f"/products/{product['id']}", json={"status": "archived"})
    assert await words() == {"apfel": 1, "suss": 1}
    await asyncio.gather(*(collect_words(service.runtime) for _ in range(5)))
    assert await words() == {"apfel": 1, "suss": 1}


async def test_did_you_mean_is_said_when_little_is_found(service: Served, make_product: MakeProduct) -> None:
    await make_named(make_product, *(f"White lantern {number}" for number in range(4)), HEART)
    await collect_words(service.runtime)
    assert (await answer(service, "white haert"))["did_you_mean"] == "white heart"
    assert (await answer(service, "Lanrten of glass"))["did_you_mean"] == "lantern of glass"
    assert (await answer(service, "lantren"))["did_you_mean"] is None, "four are enough"
    assert (await answer(service, "heart"))["did_you_mean"] is None
    assert (await answer(service, "qqqqqq"))["did_you_mean"] is None
    assert (await service.anonymous.get("/products")).json()["did_you_mean"] is None


async def test_synonyms_are_found_and_end(service: Served, staff: Caller, goods: Any) -> None:
    group = (await staff.post("/synonyms", json={"words": ["Couch", "sofa", "couch"]})).json()
    assert (group["words"], group["also"]) == (["couch", "sofa"], [])
    one_way = await staff.post("/synonyms", json={"words": ["crockery"], "also": ["tea plate", "cup"]})
    assert one_way.status_code == 201
    assert await found(service, q="couch") == [SOFA]
    assert await found(service, q="couch cover") == [SOFA]
    assert await found(service, q="CROCKERY") == [PLATE]
    await make_named_cover(staff, "Crockery box")
    assert await found(service, q="plate") == [PLATE], "it works in one direction"
    path = f"/synonyms/{group['id']}"
    lost = await staff.put(path, json={"words": ["a", "b"]}, headers={"If-Match": '"7"'})
    assert lost.status_code == 412
    changed = await staff.put(path, json={"words": ["settee", "sofa"]}, headers={"If-Match": '"1"'})
    assert (changed.json()["version"], changed.headers["etag"]) == (2, '"2"')
    assert await found(service, q="couch") == []
    assert await found(service, q="settee") == [SOFA]
    assert (await staff.delete(path)).status_code == 204
    assert await found(service, q="settee") == []
    assert (await staff.get(path)).status_code == 404
    assert [each["words"] for each in (await staff.get("/synonyms")).json()["items"]] == [["crockery"]]


async def make_named_cover(staff: Caller, name: str) -> None:
    body = {"sku": "COVER", "name": name, "status": "active", "price": {"amount": 1, "currency": "GBP"}}
    assert (await staff.post("/products", json=body)).status_code == 201


@pytest.mark.parametrize(
    "body", [{"words": ["one"]}, {"words": []}, {"words": ["two words", "x"]}, {"words": ["a", "b"], "also": [" "]}]
)
async def test_synonyms_without_sense_are_rejected(staff: Caller, body: Json) -> None:
    assert (await staff.post("/synonyms", json=body)).status_code == 422


async def test_only_staff_see_and_change_synonyms(service: Served) -> None:
    assert (await service.anonymous.get("/synonyms")).status_code == 401
    assert (await service.caller().post("/synonyms", json={"words": ["a", "b"]})).status_code == 403
