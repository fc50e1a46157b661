"""What a guest has becomes that of the account which the guest became part of."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.events.users import UserChanged, UserErased, UserMerged
from order_service.drafts.models import Draft
from order_service.payments.models import Payment, PaymentState
from order_service.personal_data import PERSONAL_DATA
from order_service.returns.models import Return
from order_service.tests.conftest import Shop
from service_kit.clock import utcnow
from service_kit.personal_data.consumers import erase_again, merge_again
from tests.harness.service import Caller

TABLES = ("orders", "payments", "returns", "carts", "cart_items")


@pytest.fixture
def guest(shop: Shop) -> Caller:
    return shop.served.caller(role="Guest")


async def merge(shop: Shop, guest: Caller, version: int = 5, into: Caller | None = None) -> None:
    await shop.deliver(UserMerged(user_id=guest.user_id, into=(into or shop.customer).user_id, version=version))


async def introduce(shop: Shop, caller: Caller, version: int = 1) -> None:
    await shop.deliver(
        UserChanged(
            user_id=caller.user_id, version=version, email="gina@example.org", full_name="", roles=["Guest"],
            email_verified=False, active=True,
        )
    )  # fmt: skip


async def of(shop: Shop, account: Caller) -> dict[str, int]:
    """How many rows of each table belong to the account."""
    count = "SELECT count(*) FROM {} WHERE {} = $1"
    found = {table: await shop.execute(count.format(table, "customer_id"), account.user_id) for table in TABLES}
    found["idempotency_keys"] = await shop.execute(count.format("idempotency_keys", "user_id"), account.user_id)
    return {table: rows for table, rows in found.items() if rows}


async def busy(shop: Shop, guest: Caller) -> UUID:
    """An order with a payment and a return, an unpaid one, and a cart. Returns the id of the first."""
    order_id = await shop.accepted(by=guest)
    whose: dict[str, Any] = {"order_id": order_id, "customer_id": guest.user_id, "currency": "GBP"}
    async with shop.runtime.database.session() as tx:
        tx.add(Payment(amount=2000, gateway="sandbox", status=PaymentState.FAILED, **whose))
        tx.add(Return(reason="too small for Ada King", lines=[], **whose))
    await shop.accepted(by=guest)
    for _ in range(2):
        assert (await guest.put(f"/cart/items/{await shop.product()}", json={"quantity": 2})).is_success
    return order_id


async def test_orders_payments_returns_responses_and_cart_belong_to_the_account(shop: Shop, guest: Caller) -> None:
    await introduce(shop, guest)
    order_id = await busy(shop, guest)
    had, own = await of(shop, guest), await shop.placed()
    assert set(had) == {*TABLES, "idempotency_keys"}
    await merge(shop, guest)
    assert await of(shop, guest) == {}
    got = await of(shop, shop.customer)
    assert got == {**had, "orders": had["orders"] + 1, "idempotency_keys": had["idempotency_keys"] + 1}
    listed = {order["id"] for order in (await shop.customer.get("/orders")).json()["items"]}
    assert {str(order_id), str(own)} <= listed
    assert (await shop.customer.get(f"/orders/{order_id}")).json()["customer_id"] == str(shop.customer.user_id)
    assert (await guest.get(f"/orders/{order_id}")).status_code == 403, "the guest's tokens are rejected"
    assert (await shop.customer.post(f"/orders/{order_id}/cancel", json={})).is_success
    row = "SELECT email IS NULL AND erased AND NOT active FROM account_status WHERE user_id = $1"
    assert await shop.execute(row, guest.user_id)


async def test_drafts_and_the_tax_id_belong_to_the_account(shop: Shop, guest: Caller) -> None:
    """A tax id that the account has already stays; what the registry said of the guest's counts on."""
    await introduce(shop, guest)
    draft = Draft(customer_id=guest.user_id, content={}, expires_at=utcnow(), created_by=shop.staff.user_id)
    async with shop.runtime.database.session() as tx:
        tx.add(draft)
    tax_ids = "INSERT INTO tax_ids (customer_id, country, number, state) VALUES ($1, 'DE', $2, 'valid')"
    await shop.execute(tax_ids, guest.user_id, "DE136695976")
    await merge(shop, guest)
    owner = await shop.execute("SELECT customer_id FROM drafts WHERE id = $1", draft.id)
    assert owner == shop.customer.user_id
    stored = "SELECT array_agg(customer_id::text || number || state) FROM tax_ids"
    assert await shop.execute(stored) == [f"{shop.customer.user_id}DE136695976valid"]
    other = shop.served.caller(role="Guest")
    await shop.execute(tax_ids, other.user_id, "DE811569869")
    await merge(shop, other)
    assert await shop.execute(stored) == [f"{shop.customer.user_id}DE136695976valid"]


async def test_repeating_it_changes_nothing_and_a_late_snapshot_revives_nobody(shop: Shop, guest: Caller) -> None:
    await busy(shop, guest)
    await merge(shop, guest)
    once = await _rows(shop)
    await merge(shop, guest)
    await introduce(shop, guest, version=4)
    await merge_again(shop.runtime, PERSONAL_DATA)
    await shop.deliver(UserErased(user_id=uuid4(), version=9))
    assert await _rows(shop) == once
    assert await shop.execute("SELECT email FROM account_status WHERE user_id = $1", guest.user_id) is None


async def _rows(shop: Shop) -> list[Any]:
    async with shop.runtime.database.connection() as connection:
        return [
            row[0] for table in TABLES for row in await connection.fetch(f"SELECT t::text FROM {table} t ORDER BY 1")
        ]


async def test_unpaid_orders_of_both_accounts_are_kept(shop: Shop, guest: Caller) -> None:
    """Each was placed when its account held nothing unpaid, of which an account has at most one."""
    mine, guests = await shop.accepted(), await shop.accepted(by=guest)
    ids = [mine, guests]
    await shop.execute("UPDATE orders SET client_address = '192.0.2.1', owes_alone = true WHERE id = ANY($1)", ids)
    await merge(shop, guest)
    assert {order["id"] for order in (await shop.customer.get("/orders")).json()["items"]} == set(map(str, ids))


async def test_the_cart_gets_the_larger_quantities_as_far_as_it_has_room(
    shop: Shop, guest: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, c = [await shop.product() for _ in range(3)]
    for caller, product, quantity in ((shop.customer, a, 1), (guest, a, 3), (guest, b, 2), (guest, c, 2)):
        await caller.put(f"/cart/items/{product}", json={"quantity": quantity})
    monkeypatch.setattr("order_service.carts.use_cases.MAX_LINES", 2)
    await merge(shop, guest)
    items = (await shop.customer.get("/cart")).json()["items"]
    assert [(UUID(item["product_id"]), item["quantity"]) for item in items] == [(a, 3), (b, 2)]


async def test_a_response_of_the_account_is_not_replaced_by_the_guests(shop: Shop, guest: Caller) -> None:
    mine, theirs = await shop.place(await shop.product(), key="same"), await shop.placed(by=guest, key="same")
    await merge(shop, guest)
    stored = await shop.execute("SELECT location FROM idempotency_keys WHERE key = 'same'")
    assert stored == f"/orders/{mine.json()['id']}" != f"/orders/{theirs}"


async def test_an_order_that_the_guest_places_in_the_last_moment_is_moved_too(
    shop: Shop, guest: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is placed in another process, which has not received the merge yet."""
    await merge(shop, guest)
    with monkeypatch.context() as other_process:
        other_process.setattr(shop.runtime.revocations, "check", lambda _: None)
        late = await shop.placed(by=guest)
    assert (await shop.customer.get(f"/orders/{late}")).status_code == 404
    await merge_again(shop.runtime, PERSONAL_DATA)
    assert (await shop.customer.get(f"/orders/{late}")).status_code == 200


async def test_several_guests_become_part_of_one_account_at_once(shop: Shop) -> None:
    guests = [shop.served.caller(role="Guest") for _ in range(3)]
    ids = {str(await shop.placed(by=each)) for each in guests}
    into = shop.customer.user_id
    await shop.deliver(*(UserMerged(user_id=each.user_id, into=into, version=2) for each in guests))
    assert {order["id"] for order in (await shop.customer.get("/orders")).json()["items"]} == ids


@pytest.mark.parametrize("erased", ["before", "after"])
async def test_nothing_of_the_guest_is_left_if_the_account_is_erased(shop: Shop, guest: Caller, erased: str) -> None:
    await introduce(shop, guest)
    order_id = await busy(shop, guest)
    paid = await shop.accepted(by=guest)
    await shop.capture(paid, 2000)
    if erased == "before":
        await shop.deliver(UserErased(user_id=shop.customer.user_id, version=9))
    await merge(shop, guest)
    if erased == "after":
        await shop.deliver(UserErased(user_id=shop.customer.user_id, version=9))
    await merge_again(shop.runtime, PERSONAL_DATA)
    await erase_again(shop.runtime, PERSONAL_DATA)
    assert (await shop.status(order_id), await shop.status(paid)) == ("cancelled", "paid")
    async with shop.runtime.database.connection() as connection:
        for table in (*TABLES, "order_history", "idempotency_keys", "account_status"):
            rows = [row[0] for row in await connection.fetch(f"SELECT t::text FROM {table} AS t")]
            assert not [row for row in rows if "Ada King" in row or b"Ada King".hex() in row or "gina" in row], table
    for account in (guest, shop.customer):
        left = await of(shop, account)
        assert not left.keys() & {"carts", "cart_items", "idempotency_keys"}
