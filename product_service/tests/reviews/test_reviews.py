"""Reviews by customers, and what staff decide about them."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from contracts.events.users import UserErased, UserMerged
from product_service.tests.conftest import Bought, Json, MakeProduct
from product_service.tests.families.conftest import OPTIONS
from product_service.tests.reviews.conftest import REVIEW, Reviewed
from tests.harness.service import Caller, Served, serve


def kind(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")


async def listed(service: Served, product_id: str, **params: Any) -> Json:
    answer = await service.anonymous.get(f"/products/{product_id}/reviews", params=params)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def test_a_review_is_shown_once_staff_publish_it(
    service: Served, staff: Caller, make_product: MakeProduct
) -> None:
    product = await make_product()
    customer, path = service.caller(), f"/products/{product['id']}/reviews"
    made = await customer.post(path, json=REVIEW)
    assert (made.status_code, made.json()["status"], made.json()["verified"]) == (201, "pending", False)
    review = made.headers["location"]
    assert (await listed(service, product["id"]))["items"] == []
    assert [each["id"] for each in (await customer.get("/me/reviews")).json()["items"]] == [made.json()["id"]]
    assert (await customer.post(f"{review}/publish")).status_code == 403

    etag = (await service.anonymous.get(f"/products/{product['id']}")).headers["etag"]
    published = await staff.post(f"{review}/publish")
    assert published.json()["status"] == "published"
    await staff.post(f"{review}/reply", json={"text": "Thank you"})
    shown = await listed(service, product["id"])
    [item] = shown["items"]
    assert {name: item[name] for name in REVIEW} == REVIEW
    assert (item["reply"], "status" in item, "author_id" in item) == ("Thank you", False, False)
    assert shown["rating"] == {"average": "4.00", "count": 1, "stars": {"1": 0, "2": 0, "3": 0, "4": 1, "5": 0}}
    answer = await service.anonymous.get(f"/products/{product['id']}")
    assert answer.json()["rating"] == {"average": "4.00", "count": 1}
    assert answer.headers["etag"] != etag


async def test_a_changed_review_waits_for_a_new_decision(service: Served, staff: Caller, reviewed: Reviewed) -> None:
    review = await reviewed()
    author = await _author(service, review)
    path = f"/reviews/{review['id']}"
    assert (await author.patch(path, json={"rating": 4})).json()["status"] == "published", "nothing changed"
    changed = await author.patch(path, json={"rating": 1, "title": None})
    assert (changed.json()["status"], changed.json()["title"]) == ("pending", None)
    assert (await listed(service, review["product_id"]))["rating"]["count"] == 0
    rejected = await staff.post(f"{path}/reject", json={"reason": "too short"})
    assert (rejected.json()["status"], rejected.json()["reason"]) == ("rejected", "too short")
    assert (await author.get(path)).json()["reason"] == "too short"
    await staff.post(f"{path}/publish")
    assert (await listed(service, review["product_id"]))["rating"]["average"] == "1.00"
    other = service.caller()
    for answer in (await other.get(path), await other.patch(path, json={"rating": 1}), await other.delete(path)):
        assert answer.status_code == 404, "it is another customer's"
    stale = await author.patch(path, json={"rating": 2}, headers={"If-Match": '"1"'})
    assert stale.status_code == 412


async def test_a_withdrawn_review_can_be_submitted_again_and_not_be_decided(
    service: Served, staff: Caller, reviewed: Reviewed
) -> None:
    review = await reviewed()
    author, path = await _author(service, review), f"/reviews/{review['id']}"
    assert (await author.delete(path)).status_code == 204
    assert (await listed(service, review["product_id"]))["rating"]["count"] == 0
    assert kind(await staff.post(f"{path}/publish")) == (409, "review-decided")
    again = await author.post(f"/products/{review['product_id']}/reviews", json=REVIEW)
    assert (*kind(again), again.json()["review_id"]) == (409, "review-exists", review["id"])
    assert (await author.patch(path, json={"rating": 5})).json()["status"] == "pending"
    assert (await staff.post(f"{path}/publish")).json()["status"] == "published"


async def test_a_customer_reviews_a_family_once(service: Served, staff: Caller, make_product: MakeProduct) -> None:
    family = (await staff.post("/families", json={"name": "Apron", "options": OPTIONS})).json()
    blue, red = [
        await make_product(family_id=family["id"], options={"colour": colour, "size": "M"})
        for colour in ("blue", "red")
    ]
    customer = service.caller()
    made = await customer.post(f"/products/{blue['id']}/reviews", json=REVIEW)
    assert kind(await customer.post(f"/products/{red['id']}/reviews", json=REVIEW)) == (409, "review-exists")
    await staff.post(f"/reviews/{made.json()['id']}/publish")
    for product in (blue, red):
        assert [each["product_id"] for each in (await listed(service, product["id"]))["items"]] == [blue["id"]]
        shown = (await service.anonymous.get(f"/products/{product['id']}")).json()
        assert shown["rating"]["count"] == 1


async def test_who_has_received_the_product_is_verified(
    service: Served, staff: Caller, make_product: MakeProduct, bought: Bought
) -> None:
    product = await make_product()
    path = f"/products/{product['id']}/reviews"
    buyer, waiting, other = service.caller(), service.caller(), service.caller()
    await bought(buyer.user_id, product["id"])
    await bought(waiting.user_id, product["id"], delivered=False)
    made = [(await each.post(path, json=REVIEW)).json() for each in (buyer, waiting, other)]
    assert [each["verified"] for each in made] == [True, False, False]
    await bought(waiting.user_id, product["id"])
    assert (await staff.post(f"/reviews/{made[1]['id']}/publish")).json()["verified"], "delivered before the decision"


async def test_a_shop_can_accept_only_reviews_of_those_who_bought(bought_only: tuple[Served, Json]) -> None:
    service, product = bought_only
    answer = await service.caller().post(f"/products/{product['id']}/reviews", json=REVIEW)
    assert kind(answer) == (409, "not-bought")


@pytest.fixture
async def bought_only() -> Any:
    async with serve("product_service", reviews_verified_only=True, reviews_of_erased="delete") as served:
        staff = served.caller(role="SubAdmin")
        body = {"sku": "A", "name": "A", "price": {"amount": 1, "currency": "GBP"}, "status": "active"}
        yield served, (await staff.post("/products", json=body)).json()


async def test_twenty_moderators_publish_a_review_once(service: Served, staff: Caller, reviewed: Reviewed) -> None:
    product_id = (await reviewed(rating=5))["product_id"]
    pending = [await reviewed(product_id, publish=False, rating=rating) for rating in (1, 2, 3, 4)]
    asked = [staff.post(f"/reviews/{review['id']}/publish") for review in pending for _ in range(20)]
    assert {answer.status_code for answer in await asyncio.gather(*asked)} == {200}
    rating = (await listed(service, product_id))["rating"]
    assert (rating["count"], rating["average"], set(rating["stars"].values())) == (5, "3.00", {1})
    for review in pending:
        assert (await staff.get(f"/reviews/{review['id']}")).json()["version"] == 2


async def test_of_two_reviews_by_one_customer_at_once_one_is_stored(service: Served, make_product: MakeProduct) -> None:
    product, customer = await make_product(), service.caller()
    asked = [customer.post(f"/products/{product['id']}/reviews", json=REVIEW) for _ in range(6)]
    assert sorted(answer.status_code for answer in await asyncio.gather(*asked)) == [201, *[409] * 5]


async def test_lists_for_staff_and_by_stars(service: Served, staff: Caller, reviewed: Reviewed) -> None:
    product_id = (await reviewed(rating=5))["product_id"]
    low = await reviewed(product_id, rating=2)
    waits = await reviewed(product_id, publish=False)
    assert [each["id"] for each in (await listed(service, product_id, rating=2))["items"]] == [low["id"]]
    pending = (await staff.get("/reviews", params={"status": "pending"})).json()["items"]
    assert [each["id"] for each in pending] == [waits["id"]]
    first = await listed(service, product_id, limit=1)
    second = await listed(service, product_id, limit=1, cursor=first["next"])
    assert first["items"][0]["id"] == low["id"]
    assert second["next"] is None
    assert (await service.caller().get("/reviews")).status_code == 403


async def test_an_erasure_keeps_published_reviews_without_their_author(
    service: Served, reviewed: Reviewed, make_product: MakeProduct
) -> None:
    published = await reviewed()
    author = await _author(service, published)
    pending = await author.post(f"/products/{(await make_product())['id']}/reviews", json=REVIEW)
    exported = (await author.get("/me/export")).json()
    assert {each["id"] for each in exported["reviews"]} == {published["id"], pending.json()["id"]}
    await service.deliver(UserErased(user_id=author.user_id, version=9))
    [item] = (await listed(service, published["product_id"]))["items"]
    assert (item["author"], item["text"]) == (None, "It shines.")
    async with service.runtime.database.connection() as connection:
        rows = await connection.fetch("SELECT id, author_id FROM reviews")
    assert [(str(id), author_id) for id, author_id in rows] == [(published["id"], None)]


async def test_a_shop_can_delete_the_reviews_of_erased_accounts() -> None:
    async with serve("product_service", reviews_of_erased="delete") as service:
        staff = service.caller(role="SubAdmin")
        body = {"sku": "A", "name": "A", "price": {"amount": 1, "currency": "GBP"}, "status": "active"}
        product = (await staff.post("/products", json=body)).json()
        author = service.caller()
        made = await author.post(f"/products/{product['id']}/reviews", json=REVIEW)
        await staff.post(f"/reviews/{made.json()['id']}/publish")
        await service.deliver(UserErased(user_id=author.user_id, version=9))
        assert (await listed(service, product["id"]))["rating"]["count"] == 0


async def test_the_reviews_and_purchases_of_a_guest_become_those_of_the_account(
    service: Served, reviewed: Reviewed, make_product: MakeProduct, bought: Bought
) -> None:
    of_guest = await reviewed()
    guest, account = await _author(service, of_guest), service.caller()
    both = (await make_product())["id"]
    await account.post(f"/products/{both}/reviews", json=REVIEW)
    await guest.post(f"/products/{both}/reviews", json={**REVIEW, "rating": 1})
    await bought(guest.user_id, both)
    merged = UserMerged(user_id=guest.user_id, version=2, into=account.user_id)
    await service.deliver(merged)
    mine = (await account.get("/me/reviews")).json()["items"]
    assert sorted((each["product_id"], each["rating"]) for each in mine) == sorted(
        [(of_guest["product_id"], 4), (both, 4)]
    )
    assert len((await account.get("/me/export")).json()["purchases"]) == 1
    async with service.runtime.database.connection() as connection:
        left = await connection.fetch("SELECT FROM reviews WHERE author_id = $1", guest.user_id)
    assert left == []


@pytest.mark.parametrize("fields", [{"rating": 0}, {"rating": 6}, {"text": " "}, {"title": "a\nb"}, {"stars": 5}])
async def test_reviews_without_sense_are_rejected(service: Served, make_product: MakeProduct, fields: Json) -> None:
    product = await make_product()
    answer = await service.caller().post(f"/products/{product['id']}/reviews", json={**REVIEW, **fields})
    assert answer.status_code == 422


async def test_only_products_on_sale_are_reviewed(service: Served, make_product: MakeProduct) -> None:
    draft = await make_product(status="draft")
    for id in (draft["id"], str(uuid4())):
        assert (await service.caller().post(f"/products/{id}/reviews", json=REVIEW)).status_code == 404
        assert (await service.anonymous.get(f"/products/{id}/reviews")).status_code == 404


async def _author(service: Served, review: Json) -> Caller:
    async with service.runtime.database.connection() as connection:
        [(author_id,)] = await connection.fetch("SELECT author_id FROM reviews WHERE id = $1", UUID(review["id"]))
    return service.caller(user_id=author_id)
