"""Orders that are to be paid by bank transfer: their stock is held for days, within the same limits."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from contracts.events import inventory_deduction as requests
from contracts.events.users import UserChanged
from order_service.settings import Settings
from order_service.tests.conftest import Shop, secrets
from service_kit.clock import utcnow
from tests.harness.service import serve

TRANSFER: dict[str, Any] = {"payment": "bank_transfer"}


@pytest.fixture
async def limited() -> AsyncIterator[Shop]:
    async with serve("order_service", unpaid_orders=2, **secrets()) as served:
        yield Shop(served)


async def known(shop: Shop, *, confirmed: bool) -> None:
    event = UserChanged(
        user_id=shop.customer.user_id,
        version=1,
        email="ada@example.org",
        full_name="Ada King",
        roles=["User"],
        email_verified=confirmed,
        active=True,
    )
    await shop.deliver(event)


async def test_the_reservation_lasts_as_long_as_the_order_may_be_paid(shop: Shop) -> None:
    before = utcnow()
    order_id = await shop.placed(**TRANSFER)
    order = await shop.order(order_id)
    pay_by, settings = datetime.fromisoformat(order["pay_by"]), shop.runtime.resource(Settings)
    assert before + timedelta(days=7) <= pay_by <= utcnow() + timedelta(days=7)
    [event] = await shop.served.events(requests.ReservationRequested)
    assert event.reserved_until == pay_by + settings.reserved_beyond
    assert order["payment"] == "bank_transfer"
    assert [each["payment"] for each in (await shop.customer.get("/orders")).json()["items"]] == ["bank_transfer"]


async def test_without_it_an_order_is_as_before(shop: Shop) -> None:
    order = await shop.order(await shop.placed())
    assert order["payment"] is None
    assert datetime.fromisoformat(order["pay_by"]) <= utcnow() + shop.runtime.resource(Settings).pay_within


async def test_the_limits_on_unpaid_orders_hold(limited: Shop) -> None:
    await known(limited, confirmed=True)
    for _ in range(2):
        await limited.placed(**TRANSFER)
    rejected = await limited.place(await limited.product(), **TRANSFER)
    assert (rejected.status_code, rejected.json()["type"]) == (429, "/problems/too-many-unpaid-orders")


async def test_an_account_without_a_confirmed_address_holds_no_stock_for_days(limited: Shop) -> None:
    await known(limited, confirmed=False)
    rejected = await limited.place(await limited.product(), **TRANSFER)
    assert (rejected.status_code, rejected.json()["type"]) == (409, "/problems/email-unconfirmed")
    assert UUID((await limited.place(await limited.product())).json()["id"]), "by card it may order"


@pytest.mark.parametrize("body", [{"payment": "cash"}, {"payment": "bank_transfer", "payment_token": "tok_ok"}])
async def test_other_payments_are_rejected(shop: Shop, body: dict[str, Any]) -> None:
    rejected = await shop.place(await shop.product(), **body)
    assert (rejected.status_code, rejected.json()["type"]) == (422, "/problems/validation-failed")
