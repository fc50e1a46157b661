"""Drafts: staff prepare an order, and it is placed once or dropped."""

from asyncio import gather
from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.events.users import UserErased
from order_service.drafts import queries
from order_service.drafts.jobs import drop_expired
from order_service.orders import placing_queries
from order_service.pricing.promotions import Percent
from order_service.settings import Settings
from order_service.tests.configured import add_code, configure
from order_service.tests.conftest import SHIP_TO, Shop, secrets
from order_service.tests.pricing.goods import promotion
from service_kit.clock import utcnow
from tests.harness.service import Caller, serve

AGREED = {"amount": 700, "currency": "GBP"}


async def content(shop: Shop, *, quantity: int = 2, **more: Any) -> dict[str, Any]:
    line = {"product_id": str(await shop.product()), "quantity": quantity, **more.pop("line", {})}
    return {"lines": [line], "ship_to": SHIP_TO, **more}


async def drafted(shop: Shop, **body: Any) -> dict[str, Any]:
    """A draft of two mugs for a customer, as staff see it."""
    customer_id = body.pop("customer_id", None) or str(await shop.known_customer())
    answer = await shop.staff.post("/drafts", json={**await content(shop), "customer_id": customer_id, **body})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    assert answer.headers["Location"] == f"/drafts/{found['id']}"
    return found


async def place(
    shop: Shop, draft: dict[str, Any], *, by: Caller | None = None, key: str | None = None, **body: Any
) -> Any:
    headers = {"Idempotency-Key": key or str(uuid4())}
    return await (by or shop.staff).post(f"/drafts/{draft['id']}/order", json=body, headers=headers)


async def test_a_draft_shows_what_it_costs_now(shop: Shop) -> None:
    draft = await drafted(shop, note="by telephone")
    assert (draft["status"], draft["note"], draft["order_id"]) == ("open", "by telephone", None)
    assert (draft["quote"]["total"], draft["problems"]) == (2000, [])
    assert draft["ship_to"]["name"] == "Ada King"
    product_id = UUID(draft["lines"][0]["product_id"])
    await shop.product(1500, product_id=product_id, version=2)
    shown = await shop.staff.get(f"/drafts/{draft['id']}")
    assert (shown.json()["quote"]["total"], shown.headers["ETag"]) == (3000, '"1"')
    await shop.product(1500, product_id=product_id, version=3, status="archived")
    shown = await shop.staff.get(f"/drafts/{draft['id']}")
    assert (shown.json()["quote"], [each["type"] for each in shown.json()["problems"]]) == (
        None,
        ["/problems/product-unavailable"],
    )


async def test_placing_takes_the_prices_of_that_moment_and_agreed_prices(shop: Shop) -> None:
    draft = await drafted(shop, lines=(await content(shop, line={"agreed_unit_price": AGREED}))["lines"])
    assert draft["quote"]["total"] == 1400
    wrong = await place(shop, draft, expected_total={"amount": 1399, "currency": "GBP"})
    assert (wrong.status_code, wrong.json()["type"]) == (409, "/problems/price-changed")
    placed = await place(shop, draft, key="once", expected_total={"amount": 1400, "currency": "GBP"})
    assert placed.status_code == 201, placed.text
    order = placed.json()
    assert (order["customer_id"], order["total"]) == (draft["customer_id"], {"amount": 1400, "currency": "GBP"})
    [entry] = await shop.history(UUID(order["id"]))
    assert (entry["trigger"], entry["actor"], entry["actor_id"]) == ("placed", "staff", str(shop.staff.user_id))
    assert (entry["details"]["draft_id"], entry["details"]["by_payment_link"]) == (draft["id"], False)
    assert [each["list_price"] for each in entry["details"]["agreed_unit_prices"]] == [1000]
    shown = (await shop.staff.get(f"/drafts/{draft['id']}")).json()
    assert (shown["status"], shown["order_id"], shown["quote"]) == ("placed", order["id"], None)
    again = await place(shop, draft, key="once", expected_total={"amount": 1400, "currency": "GBP"})
    assert (again.status_code, again.json()) == (201, order)
    other = await place(shop, draft, key="another")
    assert (other.status_code, other.json()["type"], other.json()["order_id"]) == (
        409, "/problems/draft-not-open", order["id"],
    )  # fmt: skip
    assert await shop.emitted(UUID(order["id"])) == ["order.placed", "reservation.requested"]


async def test_a_draft_is_changed_by_its_version_and_dropped_once(shop: Shop) -> None:
    draft = await drafted(shop)
    path, body = f"/drafts/{draft['id']}", await content(shop, quantity=3)
    changed = await shop.staff.put(path, json=body, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.json()["quote"]["total"], changed.headers["ETag"]) == (200, 3000, '"2"')
    for refused in (
        await shop.staff.put(path, json=body, headers={"If-Match": '"1"'}),
        await shop.staff.delete(path, headers={"If-Match": '"1"'}),
        await shop.staff.post(f"{path}/order", headers={"If-Match": '"1"', "Idempotency-Key": "a"}),
    ):
        assert refused.status_code == 412
    assert (await shop.staff.delete(path)).status_code == 204
    assert (await shop.staff.get(path)).json()["status"] == "dropped"
    for refused in (
        await shop.staff.put(path, json=body),
        await shop.staff.delete(path),
        await place(shop, draft),
    ):
        assert (refused.status_code, refused.json()["draft_status"]) == (409, "dropped")


async def test_agreed_prices_need_their_permission(shop: Shop) -> None:
    clerk = shop.served.caller("drafts:manage")
    plain = {**await content(shop), "customer_id": str(await shop.known_customer())}
    agreed = {**plain, "lines": [{**plain["lines"][0], "agreed_unit_price": AGREED}]}
    made = await clerk.post("/drafts", json=plain)
    assert made.status_code == 201
    del agreed["customer_id"]
    for refused in (
        await clerk.post("/drafts", json={**agreed, "customer_id": plain["customer_id"]}),
        await clerk.put(made.headers["Location"], json=agreed),
    ):
        assert (refused.status_code, refused.json()["permission"]) == (403, "orders:agree-price")
    mixed = {**agreed, "currency": "EUR"}
    assert (await shop.staff.put(made.headers["Location"], json=mixed)).status_code == 422
    assert (await shop.customer.get("/drafts")).status_code == 403


@pytest.mark.parametrize(("active", "problem"), [(None, "customer-unknown"), (False, "customer-inactive")])
async def test_a_draft_is_for_an_active_customer(shop: Shop, *, active: bool | None, problem: str) -> None:
    customer_id = uuid4() if active is None else await shop.known_customer(active=active)
    answer = await shop.staff.post("/drafts", json={**await content(shop), "customer_id": str(customer_id)})
    assert (answer.status_code, answer.json()["type"]) == (409, f"/problems/{problem}")


async def test_the_list_is_filtered_and_paged(shop: Shop) -> None:
    ada = str(await shop.known_customer())
    first, second, third = [await drafted(shop, customer_id=ada) for _ in range(3)]
    other = await drafted(shop)
    await shop.staff.delete(f"/drafts/{second['id']}")

    async def ids(**params: str) -> list[str]:
        answer = await shop.staff.get("/drafts", params=params)
        assert answer.status_code == 200, answer.text
        return [each["id"] for each in answer.json()["items"]]

    assert await ids() == [each["id"] for each in (other, third, second, first)]
    assert await ids(customer_id=ada, status="open") == [third["id"], first["id"]]
    page = (await shop.staff.get("/drafts", params={"limit": "3"})).json()
    assert await ids(limit="3", cursor=page["next"]) == [first["id"]]


async def test_expired_drafts_are_dropped_and_cannot_be_placed_before(shop: Shop) -> None:
    draft, other = await drafted(shop), await drafted(shop)
    assert timedelta(days=13) < _lifetime(draft) < timedelta(days=14, seconds=1)
    await shop.execute("UPDATE drafts SET expires_at = now() WHERE id = $1", UUID(draft["id"]))
    refused = await place(shop, draft)
    assert (refused.status_code, refused.json()["draft_status"]) == (409, "expired")
    await drop_expired(shop.runtime)
    found = {each["id"]: each["status"] for each in (await shop.staff.get("/drafts")).json()["items"]}
    assert found == {draft["id"]: "dropped", other["id"]: "open"}


def _lifetime(draft: dict[str, Any]) -> timedelta:
    return datetime.fromisoformat(draft["expires_at"]) - utcnow()


async def test_a_draft_is_placed_once_whoever_places_it_at_once(shop: Shop) -> None:
    """Ten members of staff, each with a repeated request."""
    draft = await drafted(shop)
    clerks = [shop.served.caller(role="SubAdmin") for _ in range(10)]
    keys = [str(uuid4()) for _ in clerks]
    answers = await gather(*(place(shop, draft, by=by, key=key) for by, key in [*zip(clerks, keys, strict=True)] * 2))
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses == {201: 2, 409: 18}
    assert len({answer.json()["id"] for answer in answers if answer.is_success}) == 1
    assert await shop.execute("SELECT count(*) FROM orders") == 1
    assert await shop.execute("SELECT count(*) FROM drafts WHERE status = 'placed'") == 1


async def test_changing_dropping_and_placing_at_once_leave_one_result(shop: Shop) -> None:
    draft, body = await drafted(shop), await content(shop, quantity=1)
    path = f"/drafts/{draft['id']}"
    headers = {"If-Match": '"1"'}
    changed, dropped, placed = await gather(
        shop.staff.put(path, json=body, headers=headers),
        shop.staff.delete(path, headers=headers),
        shop.staff.post(f"{path}/order", headers={**headers, "Idempotency-Key": "a"}),
    )
    succeeded = [answer.status_code for answer in (changed, dropped, placed) if answer.is_success]
    assert len(succeeded) == 1
    assert await shop.execute("SELECT count(*) FROM orders") == placed.is_success


async def test_a_failure_leaves_the_draft_open_and_no_order(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order is written and the draft is not: nothing is committed, and the same request succeeds later."""
    draft = await drafted(shop)

    async def crash(*_: Any) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as patched:
        patched.setattr(queries, "save", crash)
        assert (await place(shop, draft, key="once")).status_code >= 500
    assert await shop.execute("SELECT count(*) FROM orders") == 0
    assert await shop.execute("SELECT count(*) FROM outbox") == 0
    assert (await place(shop, draft, key="once")).status_code == 201


async def test_a_code_that_is_used_up_meanwhile_is_named(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed limit ends the transaction: the codes are read again in another one."""
    found = promotion(Percent(100_000), automatic=False, use_limit=1)
    await configure(shop, promotions=[found])
    await add_code(shop, found, "SAVE")
    draft = await drafted(shop, codes=["save"])
    assert draft["quote"]["total"] == 1800
    write = placing_queries.place

    async def as_if_unused(*arguments: Any) -> Any:
        await shop.execute("UPDATE promotion_uses SET used = most")
        return await write(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(placing_queries, "place", as_if_unused)
        refused = await place(shop, draft)
    assert (refused.status_code, refused.json()["codes"]) == (409, [{"code": "SAVE", "reason": "exhausted"}])
    shown = (await shop.staff.get(f"/drafts/{draft['id']}")).json()
    assert [each["type"] for each in shown["problems"]] == ["/problems/promotion-unusable"]
    await shop.execute("UPDATE promotion_uses SET used = 0")
    assert (await place(shop, draft)).json()["total"]["amount"] == 1800


async def test_limits_on_unpaid_orders_do_not_apply(shop: Shop) -> None:
    async with serve("order_service", unpaid_orders=1, unpaid_pieces=1, **secrets()) as served:
        limited = Shop(served)
        customer_id = str(await limited.known_customer())
        for _ in range(3):
            draft = await drafted(limited, customer_id=customer_id)
            assert (await place(limited, draft)).status_code == 201
        assert limited.runtime.resource(Settings).limits


async def test_drafts_are_exported_without_notes_and_erased(shop: Shop) -> None:
    customer = shop.served.caller()
    known = await shop.known_customer()
    await shop.execute("UPDATE account_status SET user_id = $2 WHERE user_id = $1", known, customer.user_id)
    placed, left = [await drafted(shop, customer_id=str(customer.user_id), note="secret") for _ in range(2)]
    assert (await place(shop, placed)).status_code == 201
    found = await customer.get("/me/export")
    assert [each["id"] for each in found.json()["drafts"]] == [placed["id"], left["id"]]
    assert "secret" not in found.text
    other = await drafted(shop)
    await shop.deliver(UserErased(user_id=customer.user_id, version=9))
    assert [each["id"] for each in (await shop.staff.get("/drafts")).json()["items"]] == [other["id"]]
    assert await shop.execute("SELECT count(*) FROM idempotency_keys") == 0
