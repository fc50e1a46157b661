"""An `Idempotency-Key` belongs to an operation, however the ids in its path are spelt."""

from typing import Any
from uuid import UUID

import pytest

from order_service.tests.payments.conftest import Shop

SPELLINGS = [str.upper, lambda text: UUID(text).hex, "urn:uuid:{}".format, "{{{}}}".format]


@pytest.mark.parametrize("spelt", SPELLINGS)
async def test_a_refund_with_another_spelling_of_the_payments_id_is_a_duplicate(shop: Shop, spelt: Any) -> None:
    order_id, payment = await shop.paid()
    first = await shop.refund(payment["id"], 300, key="a")
    again = await shop.refund(spelt(payment["id"]), 300, key="a")
    assert (first.status_code, again.status_code) == (202, 202)
    assert (again.content, again.headers["Idempotent-Replayed"]) == (first.content, "true")
    assert len(await shop.refunds(order_id)) == 1
    other = await shop.refund(spelt(payment["id"]), 200, key="a")
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")


async def test_a_payment_with_another_spelling_of_the_orders_id_is_a_duplicate(shop: Shop) -> None:
    order_id = await shop.order()
    headers = {"Idempotency-Key": "a"}
    paths = [f"/orders/{order_id}/payments", f"/orders/{str(order_id).upper()}/payments"]
    first, again = [await shop.customer.post(path, json={"token": "tok_ok"}, headers=headers) for path in paths]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert first.json()["id"] == again.json()["id"]
