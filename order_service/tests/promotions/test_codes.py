"""Codes of promotions, and their redemptions."""

from order_service.promotions.use_cases import ALPHABET, RANDOM_LENGTH
from order_service.tests.conftest import Shop
from order_service.tests.promotions.conftest import activated, created, redeem


async def test_codes_are_random_and_have_limits_of_their_own(shop: Shop) -> None:
    found = await activated(shop, code=None)
    path = f"/promotions/{found['id']}"
    made = await shop.staff.post(f"{path}/codes", json={"count": 300, "prefix": "spring", "limit_per_code": 2})
    assert made.status_code == 201, made.text
    codes = made.json()["codes"]
    assert len(set(codes)) == 300
    assert all(code.startswith("SPRING-") and set(code[7:]) <= set(ALPHABET) for code in codes)
    assert {len(code) for code in codes} == {7 + RANDOM_LENGTH}
    first = (await shop.staff.get(f"{path}/codes", params={"limit": 100})).json()
    second = (await shop.staff.get(f"{path}/codes", params={"limit": 100, "cursor": first["next"]})).json()
    assert [each["code"] for each in first["items"] + second["items"]] == sorted(codes)[:200]
    assert {(each["used"], each["limit"]) for each in first["items"]} == {(0, 2)}
    assert (await shop.staff.get(f"{path}/uses")).json()["codes"] == 300


async def test_codes_are_exported_as_csv(shop: Shop) -> None:
    """In several portions."""
    found = await created(shop)
    path = f"/promotions/{found['id']}"
    codes = (await shop.staff.post(f"{path}/codes", json={"count": 2001})).json()["codes"]
    answer = await shop.staff.get(f"{path}/codes.csv")
    assert answer.headers["Content-Type"].startswith("text/csv")
    head, *rows = answer.text.splitlines()
    assert head == "code,used,limit"
    assert rows == [*sorted([f"{code},0,1" for code in codes] + ["WELCOME10,0,"])]
    empty = await created(shop, code=None)
    assert (await shop.staff.get(f"/promotions/{empty['id']}/codes.csv")).text == "code,used,limit\r\n"


async def test_codes_are_made_for_a_promotion_that_takes_them(shop: Shop) -> None:
    automatic = await created(shop, code=None, automatic=True)
    answer = await shop.staff.post(f"/promotions/{automatic['id']}/codes", json={"count": 1})
    assert answer.json()["type"] == "/problems/codes-not-allowed"
    ended = await activated(shop)
    await shop.staff.post(f"/promotions/{ended['id']}/end")
    answer = await shop.staff.post(f"/promotions/{ended['id']}/codes", json={"count": 1})
    assert answer.json()["type"] == "/problems/promotion-ended"
    assert (await shop.staff.post(f"/promotions/{ended['id']}/codes", json={"count": 10_001})).status_code == 422


async def test_a_promotion_with_codes_does_not_become_automatic(shop: Shop) -> None:
    found = await created(shop)
    path = f"/promotions/{found['id']}"
    assert (await shop.staff.patch(path, json={"automatic": True, "code": None})).json()["automatic"]
    assert (await shop.staff.patch(path, json={"automatic": False})).status_code == 200
    await shop.staff.post(f"{path}/codes", json={"count": 1})
    answer = await shop.staff.patch(path, json={"automatic": True})
    assert answer.json()["type"] == "/problems/codes-not-allowed"
    assert not (await shop.staff.get(path)).json()["automatic"]


async def test_redemptions_are_listed_with_their_orders(shop: Shop) -> None:
    found = await activated(shop)
    path = f"/promotions/{found['id']}"
    orders = [await redeem(shop, found["id"]) for _ in range(3)]
    await shop.execute("UPDATE redemptions SET released_at = now() WHERE order_id = $1", orders[1])
    first = (await shop.staff.get(f"{path}/redemptions", params={"limit": 2})).json()
    rest = (await shop.staff.get(f"{path}/redemptions", params={"cursor": first["next"]})).json()
    items = first["items"] + rest["items"]
    assert [each["order_id"] for each in items] == [str(id) for id in orders]
    assert [each["released_at"] is None for each in items] == [True, False, True]
    assert {(each["code"], each["amount"], each["currency"]) for each in items} == {("WELCOME10", 500, "GBP")}
    uses = (await shop.staff.get(f"{path}/uses")).json()
    assert uses == {"used": 2, "released": 1, "limit": None, "left": None, "codes": 1}
