"""Limits of codes hold whatever happens at once, and a use is released exactly once."""

from asyncio import Semaphore, gather
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.events import inventory_deduction as answers
from contracts.events.users import UserChanged
from order_service.orders import placing_queries
from order_service.pricing.promotions import Percent, Promotion
from order_service.tests.configured import add_code, configure
from order_service.tests.conftest import Shop
from order_service.tests.pricing.goods import promotion
from tests.harness.service import Caller


async def limited(shop: Shop, code: str = "SAVE", most: int | None = None, **limits: Any) -> Promotion:
    found = promotion(Percent(100_000), automatic=False, **limits)
    await configure(shop, promotions=[found])
    await add_code(shop, found, code, most)
    return found


async def buyers(shop: Shop, count: int, email: str | None = None) -> list[Caller]:
    callers = [shop.served.caller() for _ in range(count)]
    events = [
        UserChanged(
            user_id=caller.user_id, version=1, email=email or f"{n}@example.org", full_name="Ada", roles=["User"],
            email_verified=True, active=True,
        )
        for n, caller in enumerate(callers)
    ]  # fmt: skip
    await shop.deliver(*events)
    return callers


async def used(shop: Shop) -> tuple[int, int]:
    """What the counter of the promotion says, and how many redemptions there are that were not released."""
    counted = await shop.execute("SELECT coalesce(sum(used), 0) FROM promotion_uses")
    return int(counted), await shop.execute("SELECT count(*) FROM redemptions WHERE released_at IS NULL")


def reasons(answer: Any) -> list[str]:
    return [each["reason"] for each in answer.json()["codes"]]


async def test_t14_a_hundred_uses_for_five_hundred_buyers(shop: Shop) -> None:
    """Each sends its request twice with one key; Saleor #544 and eventyay #1398 gave out more uses than there were."""
    mug = await shop.product(1000)
    await limited(shop, use_limit=100)
    everyone = await buyers(shop, 500)
    open_requests = Semaphore(50)  # what one process takes at once; more it answers with 503

    async def buy(buyer: Caller) -> list[Any]:
        key = str(uuid4())
        async with open_requests:
            return await gather(*(shop.place(mug, by=buyer, key=key, codes=["SAVE"]) for _ in range(2)))

    pairs = await gather(*(buy(buyer) for buyer in everyone))
    outcomes = Counter(tuple(answer.status_code for answer in pair) for pair in pairs)
    assert outcomes == {(201, 201): 100, (409, 409): 400}
    assert all(first.content == second.content for first, second in pairs if first.status_code == 201)
    assert {reason for pair in pairs for answer in pair if answer.status_code == 409 for reason in reasons(answer)} == {
        "exhausted"
    }
    assert await used(shop) == (100, 100)
    assert await shop.execute("SELECT count(*) FROM orders") == 100
    assert await shop.execute("SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()") == 0

    lucky = [(buyer, pair[0].json()["id"]) for buyer, pair in zip(everyone, pairs, strict=True) if pair[0].is_success]
    cancelled = await gather(*(buyer.post(f"/orders/{id}/cancel", json={}) for buyer, id in lucky[:10]))
    assert {answer.status_code for answer in cancelled} == {200}
    assert await used(shop) == (90, 90)
    others = [buyer for buyer, pair in zip(everyone, pairs, strict=True) if not pair[0].is_success][:30]
    again = await gather(*(shop.place(mug, by=buyer, codes=["SAVE"]) for buyer in others))
    assert Counter(answer.status_code for answer in again) == {201: 10, 409: 20}
    assert await used(shop) == (100, 100)


@pytest.mark.parametrize("cancelled_too", [False, True])
async def test_t15_a_use_is_released_once(shop: Shop, *, cancelled_too: bool) -> None:
    """However often its order is rejected, and whoever cancels it at that moment (Vendure #1466, Sylius #10125)."""
    await limited(shop, use_limit=5, use_limit_per_customer=2, most=3)
    [buyer] = await buyers(shop, 1)
    order = (await shop.place(await shop.product(1000), by=buyer, codes=["SAVE"])).json()
    assert await used(shop) == (1, 1)
    rejected = answers.ReservationRejected(order_id=UUID(order["id"]), version=1, lines=[])
    heard = [shop.deliver(rejected) for _ in range(5)]
    cancel = [buyer.post(f"/orders/{order['id']}/cancel", json={})] if cancelled_too else []
    await gather(*heard, *cancel)
    assert (await shop.order(UUID(order["id"])))["status"] in ("rejected", "cancelled")
    assert await used(shop) == (0, 0)
    for table in ("promotion_codes", "promotion_customers"):
        assert await shop.execute(f"SELECT used FROM {table}") == 0
    assert await shop.execute("SELECT count(*) FROM redemptions WHERE released_at IS NOT NULL") == 1


async def test_a_paid_order_that_is_returned_keeps_its_use(shop: Shop) -> None:
    await limited(shop, use_limit=5)
    order_id = UUID((await shop.place(await shop.product(1000), codes=["SAVE"])).json()["id"])
    await shop.accept(order_id)
    await shop.capture(order_id, 1800)
    await shop.execute("UPDATE orders SET status = 'returned' WHERE id = $1", order_id)
    assert await used(shop) == (1, 1)


async def test_a_customer_can_use_a_code_only_so_often_from_any_account(shop: Shop) -> None:
    """Accounts with the same e-mail address count as one customer."""
    await limited(shop, use_limit_per_customer=2)
    mug = await shop.product(1000)
    relatives = await buyers(shop, 6, email="Ada@example.org")
    placed = await gather(*(shop.place(mug, by=relative, codes=["SAVE"]) for relative in relatives))
    assert Counter(answer.status_code for answer in placed) == {201: 2, 409: 4}
    assert {reason for answer in placed if answer.status_code == 409 for reason in reasons(answer)} == {"used-by-you"}
    stranger = shop.served.caller()
    assert reasons(await shop.place(mug, by=stranger, codes=["SAVE"])) == ["not-for-you"], "no address is known"


async def test_unique_codes_are_used_once_each_and_orders_with_several_never_wait_in_a_ring(shop: Shop) -> None:
    first, second = (promotion(Percent(100_000), automatic=False, use_limit=50) for _ in range(2))
    await configure(shop, promotions=[first, second])
    for n in range(20):
        await add_code(shop, first, f"A{n}", 1)
        await add_code(shop, second, f"B{n}", 1)
    mug = await shop.product(1000)
    everyone = await buyers(shop, 60)
    placed = await gather(
        *(
            shop.place(mug, by=buyer, codes=[f"A{n % 20}", f"B{n % 20}"] if n % 2 else [f"B{n % 20}", f"A{n % 20}"])
            for n, buyer in enumerate(everyone)
        )
    )
    assert Counter(answer.status_code for answer in placed) == {201: 20, 409: 40}
    assert await used(shop) == (40, 40)
    assert await shop.execute("SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()") == 0
    assert await shop.execute("SELECT count(*) FROM promotion_codes WHERE used <> 1") == 0


async def test_an_order_that_fails_on_a_limit_leaves_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key either, so that the same request may succeed once a use is released."""
    found = await limited(shop, use_limit=1)
    mug = await shop.product(1000)
    holder, loser = await buyers(shop, 2)
    taken = (await shop.place(mug, by=holder, codes=["SAVE"])).json()
    read = placing_queries.place

    async def as_if_unused(*arguments: Any) -> Any:
        await shop.execute("UPDATE promotion_uses SET used = most WHERE promotion_id = $1", found.id)
        return await read(*arguments)

    await shop.execute("UPDATE promotion_uses SET used = 0")
    with monkeypatch.context() as patched:
        patched.setattr(placing_queries, "place", as_if_unused)
        refused = await shop.place(mug, by=loser, key="the-one-key", codes=["SAVE"])
    assert (refused.status_code, reasons(refused)) == (409, ["exhausted"])
    assert await shop.execute("SELECT count(*) FROM orders") == 1
    assert await shop.execute("SELECT count(*) FROM idempotency_keys WHERE key = 'the-one-key'") == 0
    await holder.post(f"/orders/{taken['id']}/cancel", json={})
    assert (await shop.place(mug, by=loser, key="the-one-key", codes=["SAVE"])).status_code == 201
