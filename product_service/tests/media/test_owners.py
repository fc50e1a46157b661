"""Images of products and families."""

import asyncio
from uuid import uuid4

import pytest

from contracts.events.products import ProductChanged
from product_service.families.schemas import FamilyPage
from product_service.products.schemas import ProductOut
from product_service.tests.conftest import MakeProduct
from product_service.tests.families.conftest import OPTIONS
from product_service.tests.media.conftest import Json, MakeMedia, kind
from tests.harness.service import Caller, Served


def images(*media: Json, **alt: str) -> Json:
    return {"images": [{"media_id": each["id"], "alt": alt} for each in media]}


def shown(owner: Json) -> list[str]:
    return [each["media_id"] for each in owner["images"]]


@pytest.fixture(params=["products", "families"])
async def owner(request: pytest.FixtureRequest, staff: Caller, make_product: MakeProduct) -> Json:
    """A product or family, with its path."""
    if request.param == "products":
        made = await make_product()
    else:
        made = (await staff.post("/families", json={"name": "Apron", "options": OPTIONS})).json()
    return {**made, "path": f"/{request.param}/{made['id']}"}


async def test_images_are_put_sorted_and_removed(staff: Caller, owner: Json, make_media: MakeMedia) -> None:
    red, green, blue = [await make_media(colour) for colour in ("red", "green", "blue")]
    path = f"{owner['path']}/images"
    answer = await staff.put(path, json=images(red, green, blue))
    assert (answer.status_code, shown(answer.json())) == (200, [red["id"], green["id"], blue["id"]])
    assert answer.json()["version"] == owner["version"] + 1
    model = ProductOut if "sku" in owner else FamilyPage
    image = model.model_validate_json(answer.content).images[0]
    assert (image.width, image.height) == (640, 480)
    assert [each.urls for each in image.sizes] == [each["urls"] for each in red["sizes"]]

    assert shown((await staff.put(path, json=images(blue, red, green))).json()) == [blue["id"], red["id"], green["id"]]
    assert shown((await staff.put(path, json=images(green))).json()) == [green["id"]]
    read = await staff.get(owner["path"])
    assert shown(read.json()) == [green["id"]]
    assert shown((await staff.put(path, json=images())).json()) == []


async def test_texts_are_kept_by_language(staff: Caller, owner: Json, make_media: MakeMedia) -> None:
    red, path = await make_media(), f"{owner['path']}/images"
    answer = await staff.put(path, json=images(red, en=" A red half ", de="Eine rote Hälfte"))
    assert answer.json()["images"][0]["alt"] == {"en": "A red half", "de": "Eine rote Hälfte"}
    changed = await staff.put(path, json=images(red, en="Red"))
    assert changed.json()["images"][0]["alt"] == {"en": "Red"}
    assert changed.json()["version"] == answer.json()["version"] + 1
    for wrong in ("English", "e", "de_DE"):
        assert kind(await staff.put(path, json=images(red, **{wrong: "x"}))) == (422, "validation-failed")
    assert kind(await staff.put(path, json=images(red, en=""))) == (422, "validation-failed")


async def test_a_change_makes_a_new_etag_and_names_the_version(
    staff: Caller, owner: Json, make_media: MakeMedia
) -> None:
    red, path = await make_media(), f"{owner['path']}/images"
    before = (await staff.get(owner["path"])).headers["etag"]
    answer = await staff.put(path, json=images(red), headers={"If-Match": before})
    assert answer.headers["etag"] != before
    assert kind(await staff.put(path, json=images(), headers={"If-Match": before})) == (412, "precondition-failed")
    again = await staff.put(path, json=images(red), headers={"If-Match": answer.headers["etag"]})
    assert again.headers["etag"] == answer.headers["etag"]
    unchanged = await staff.get(owner["path"], headers={"If-None-Match": answer.headers["etag"]})
    assert unchanged.status_code == 304


async def test_of_concurrent_changes_with_one_version_one_wins(
    staff: Caller, owner: Json, make_media: MakeMedia
) -> None:
    red, green = await make_media("red"), await make_media("green")
    tag = (await staff.get(owner["path"])).headers["etag"]
    bodies = [images(red), images(green), images(green, red), images(red, green)]
    answers = await asyncio.gather(
        *(staff.put(f"{owner['path']}/images", json=body, headers={"If-Match": tag}) for body in bodies)
    )
    assert sorted(each.status_code for each in answers) == [200, 412, 412, 412]
    winner = next(each.json() for each in answers if each.status_code == 200)
    assert shown((await staff.get(owner["path"])).json()) == shown(winner)


async def test_images_in_opposite_orders_do_not_wait_for_each_other(
    staff: Caller, make_product: MakeProduct, make_media: MakeMedia
) -> None:
    red, green = await make_media("red"), await make_media("green")
    products = [await make_product() for _ in range(6)]
    answers = await asyncio.gather(
        *(
            staff.put(f"/products/{each['id']}/images", json=images(*((red, green) if n % 2 else (green, red))))
            for n, each in enumerate(products)
        )
    )
    assert [each.status_code for each in answers] == [200] * 6


async def test_the_copy_in_the_row_is_what_the_table_has(
    service: Served, staff: Caller, owner: Json, make_media: MakeMedia
) -> None:
    red, green = await make_media("red"), await make_media("green")
    await staff.put(f"{owner['path']}/images", json=images(green, red, en="x"))
    table, column = ("product_media", "product_id") if "sku" in owner else ("family_media", "family_id")
    async with service.runtime.database.connection() as connection:
        rows = await connection.fetch(
            f"SELECT media_id FROM {table} WHERE {column} = '{owner['id']}' ORDER BY position"
        )
    copies = (await staff.get(owner["path"])).json()["images"]
    assert [str(row["media_id"]) for row in rows] == [each["media_id"] for each in copies] == [green["id"], red["id"]]


async def test_what_is_wrong_is_refused(staff: Caller, owner: Json, make_media: MakeMedia) -> None:
    red, path = await make_media(), f"{owner['path']}/images"
    assert kind(await staff.put(path, json=images({"id": str(uuid4())}))) == (409, "media-unknown")
    assert kind(await staff.put(path, json=images(red, red))) == (422, "validation-failed")
    many = images(*({"id": str(uuid4())} for _ in range(21)))
    assert kind(await staff.put(path, json=many)) == (422, "validation-failed")
    missing = owner["path"].replace(owner["id"], str(uuid4()))
    assert kind(await staff.put(f"{missing}/images", json=images(red))) == (404, "not-found")
    assert shown((await staff.get(owner["path"])).json()) == []


async def test_an_image_in_use_is_not_deleted(staff: Caller, owner: Json, make_media: MakeMedia) -> None:
    red = await make_media()
    await staff.put(f"{owner['path']}/images", json=images(red))
    answer = await staff.delete(f"/media/{red['id']}")
    assert kind(answer) == (409, "media-in-use")
    assert owner["id"] in answer.json()["product_ids"] + answer.json()["family_ids"]
    await staff.put(f"{owner['path']}/images", json=images())
    assert (await staff.delete(f"/media/{red['id']}")).status_code == 204
    assert (await staff.get(f"/media/{red['id']}")).status_code == 404
    assert kind(await staff.put(f"{owner['path']}/images", json=images(red))) == (409, "media-unknown")


async def test_an_image_is_either_put_or_deleted(
    staff: Caller, make_product: MakeProduct, make_media: MakeMedia
) -> None:
    """Both at the same moment: a product never shows an image that was deleted."""
    for n in range(10):
        red, product = await make_media(f"#{n:06x}"), await make_product()
        put, deleted = await asyncio.gather(
            staff.put(f"/products/{product['id']}/images", json=images(red)), staff.delete(f"/media/{red['id']}")
        )
        assert (put.status_code, deleted.status_code) in {(200, 409), (409, 204)}


async def test_other_services_are_not_told(
    service: Served, staff: Caller, make_product: MakeProduct, make_media: MakeMedia
) -> None:
    product, red = await make_product(), await make_media()
    before = len(await service.events(ProductChanged))
    await staff.put(f"/products/{product['id']}/images", json=images(red))
    assert len(await service.events(ProductChanged)) == before
    await staff.patch(f"/products/{product['id']}", json={"name": "New"})
    assert (await service.events(ProductChanged))[-1].version == product["version"] + 2


async def test_changes_are_in_the_audit_log(
    service: Served, staff: Caller, make_product: MakeProduct, make_media: MakeMedia
) -> None:
    product, red = await make_product(), await make_media()
    await staff.put(f"/products/{product['id']}/images", json=images(red))
    await staff.put(f"/products/{product['id']}/images", json=images())
    await staff.delete(f"/media/{red['id']}")
    log = await service.caller(role="Admin").get("/audit-log", params={"limit": 100})
    entries = [(each["resource"], each["resource_id"], list(each["changes"])) for each in log.json()["items"]]
    assert entries.count(("product", product["id"], ["images"])) == 2
    assert ("image", red["id"], ["deleted_at"]) in entries
    assert {each["actor_id"] for each in log.json()["items"]} == {str(staff.user_id)}


async def test_a_product_that_is_deleted_frees_its_images(
    staff: Caller, make_product: MakeProduct, make_media: MakeMedia
) -> None:
    product, red = await make_product(status="draft"), await make_media()
    await staff.put(f"/products/{product['id']}/images", json=images(red))
    assert (await staff.delete(f"/products/{product['id']}")).status_code == 204
    assert (await staff.delete(f"/media/{red['id']}")).status_code == 204
