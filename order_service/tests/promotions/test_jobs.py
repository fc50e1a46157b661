"""What is done with promotions in the background."""

from uuid import UUID

import pytest
import structlog

from contracts.events.users import UserErased
from order_service.promotions import jobs, queries
from order_service.rules import queries as rules
from order_service.tests.conftest import Shop
from order_service.tests.promotions.conftest import activated, redeem

ADA, BOB = b"ada", b"bob"
USED = "INSERT INTO promotion_customers (promotion_id, customer_key, used, most) VALUES ($1, $2, 1, 1)"
COUNT_KEYS = """
SELECT (SELECT count(*) FROM promotion_customers) + (SELECT count(*) FROM redemptions WHERE customer_key IS NOT NULL)
"""


async def used_by(shop: Shop, promotion_id: str, *keys: bytes) -> None:
    for key in keys:
        await redeem(shop, promotion_id, customer_key=key)
        await shop.execute(USED, UUID(promotion_id), key)


async def version(shop: Shop) -> int:
    async with shop.runtime.database.connection() as connection:
        return (await rules.load(connection, None)).version


async def test_a_promotion_ends_at_its_time(shop: Shop) -> None:
    found, other = await activated(shop), await activated(shop, code=None)
    before = await version(shop)
    await jobs.end_promotions(shop.runtime)
    assert await version(shop) == before, "nothing has ended, so no process has to load the rules again"
    await shop.execute("UPDATE promotions SET ends_at = now() - interval '1 minute' WHERE id = $1", UUID(found["id"]))
    await jobs.end_promotions(shop.runtime)
    shown = (await shop.staff.get(f"/promotions/{found['id']}")).json()
    assert (shown["status"], shown["ended_at"], shown["version"]) == ("ended", shown["ends_at"], 3)
    assert (await shop.staff.get(f"/promotions/{other['id']}")).json()["status"] == "active"


async def test_customers_are_forgotten_thirty_days_after_the_end(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """In batches. What the orders have used stays."""
    monkeypatch.setattr(jobs, "BATCH", 1)
    recent, old = await activated(shop), await activated(shop, code="OLD")
    for promotion in (recent, old):
        await used_by(shop, promotion["id"], ADA, BOB)
        await shop.staff.post(f"/promotions/{promotion['id']}/end")
    assert not await jobs.forget_customers(shop.runtime)
    await shop.execute("UPDATE promotions SET ended_at = now() - interval '31 days' WHERE id = $1", UUID(old["id"]))
    runs = 1
    while await jobs.forget_customers(shop.runtime):
        runs += 1
    assert runs == 6
    assert await shop.execute(COUNT_KEYS) == 4, "those of the promotion that ended just now"
    assert (await shop.staff.get(f"/promotions/{old['id']}/uses")).json()["used"] == 2


async def test_counters_that_differ_from_the_redemptions_are_reported_and_not_repaired(shop: Shop) -> None:
    found = await activated(shop, limit=10, limit_per_customer=1)
    [code] = (await shop.staff.post(f"/promotions/{found['id']}/codes", json={"count": 1})).json()["codes"]
    given_back = await redeem(shop, found["id"])
    await used_by(shop, found["id"], ADA)
    await redeem(shop, found["id"], code)
    await jobs.check_books(shop.runtime)
    assert [jobs.BOOKS_DIFFER.labels(book)._value.get() for book in queries.BOOKS] == [0, 0, 0]
    await shop.execute("UPDATE redemptions SET released_at = now() WHERE order_id = $1", given_back)
    await shop.execute("UPDATE promotion_codes SET used = 0 WHERE code = $1", code)
    await shop.execute("UPDATE redemptions SET customer_key = NULL")
    for _ in range(2):
        with structlog.testing.capture_logs() as logs:
            await jobs.check_books(shop.runtime)
        differing = {(each["book"], each["used"], each["redeemed"]) for each in logs}
        assert differing == {("promotion-uses", 3, 2), ("promotion-codes", 0, 1), ("promotion-customers", 1, 0)}
        assert [jobs.BOOKS_DIFFER.labels(book)._value.get() for book in queries.BOOKS] == [1, 1, 1]


async def test_the_export_has_a_customer_s_redemptions_and_an_erasure_drops_the_key(shop: Shop) -> None:
    found = await activated(shop)
    await used_by(shop, found["id"], ADA)
    answer = await shop.customer.get("/me/export")
    [[redemption]] = [order["redemptions"] for order in answer.json()["orders"]]
    assert (redemption["code"], redemption["amount"]) == ("WELCOME10", 500)
    assert "customer_key" not in answer.text
    assert await shop.execute(COUNT_KEYS) == 2
    await shop.deliver(UserErased(user_id=shop.customer.user_id, version=9))
    assert await shop.execute(COUNT_KEYS) == 0
    assert (await shop.staff.get(f"/promotions/{found['id']}/redemptions")).json()["items"][0]["code"] == "WELCOME10"
