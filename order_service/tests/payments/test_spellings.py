"""An Idempotency-Key holds for what a request means, however its path is spelt."""

import hashlib
from typing import Any
from uuid import UUID, uuid4

import pytest

from local_stack.postgres import administration
from order_service.tests.payments.conftest import Shop
from service_kit.database import migrations
from tests.harness.databases import new_database
from tests.harness.service import NEEDED, serve
from tests.harness.tokens import token

SPELLINGS = [str.upper, lambda text: UUID(text).hex, "urn:uuid:{}".format, "{{{}}}".format]
ROW = """
INSERT INTO idempotency_keys (user_id, operation, key, body_hash, status, body, location, created_at)
VALUES (%s, %s, %s, %s, %s, %s, NULL, now() - %s * interval '1 hour')
"""


@pytest.mark.parametrize("spelt", SPELLINGS)
async def test_a_refund_with_its_payment_in_another_spelling_is_the_same_refund(shop: Shop, spelt: Any) -> None:
    order_id, payment = await shop.paid()
    first = await shop.refund(payment["id"], 300, key="a")
    again = await shop.refund(spelt(payment["id"]), 300, key="a")
    assert (first.status_code, again.status_code) == (202, 202)
    assert (again.content, again.headers["Idempotent-Replayed"]) == (first.content, "true")
    assert len(await shop.refunds(order_id)) == 1
    other = await shop.refund(spelt(payment["id"]), 200, key="a")
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")


async def test_a_payment_with_its_order_in_another_spelling_is_the_same_payment(shop: Shop) -> None:
    order_id = await shop.order()
    headers = {"Idempotency-Key": "a"}
    paths = [f"/orders/{order_id}/payments", f"/orders/{str(order_id).upper()}/payments"]
    first, again = [await shop.customer.post(path, json={"token": "tok_ok"}, headers=headers) for path in paths]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert first.json()["id"] == again.json()["id"]


async def test_a_retry_across_the_upgrade_gets_the_first_answer() -> None:
    """The row is as the earlier code wrote it: with the path as it was typed."""
    url, caller, payment_id = new_database(), uuid4(), uuid4()
    migrations.upgrade("order_service", url, to="0006")
    body_hash = hashlib.sha256(b'{"amount":300}').digest()
    typed = f"/payments/{str(payment_id).upper()}/refunds"
    with administration(url) as cursor:
        cursor.execute(ROW, [str(caller), f"POST {typed}", "a", body_hash, 202, b'{"id": "the first"}', 1])
    migrations.upgrade("order_service", url)
    async with serve("order_service", database_url=url, **NEEDED["order"]) as served:
        staff = served.client(token(role="Admin", user_id=caller))
        for path in (typed, f"/payments/{payment_id}/refunds"):
            again = await staff.post(path, json={"amount": 300}, headers={"Idempotency-Key": "a"})
            assert (again.status_code, again.content) == (202, b'{"id": "the first"}'), again.text
            assert again.headers["Idempotent-Replayed"] == "true"


def test_of_two_spellings_with_one_key_the_first_answer_is_kept() -> None:
    url, user, other, id = new_database(), uuid4(), uuid4(), "0199c1a0-5b00-7a10-8c00-00000000000a"
    usual, capitals, bare = (f"POST /payments/{each}/refunds" for each in (id, id.upper(), UUID(id).hex))
    migrations.upgrade("order_service", url, to="0006")
    with administration(url) as cursor:
        for owner, operation, key, body, hours in (
            (user, capitals, "a", b"first", 3), (user, usual, "a", b"second", 2), (user, bare, "a", b"third", 1),
            (user, usual, "b", b"first", 3), (user, bare, "b", b"second", 2),
            (other, capitals, "a", b"of another", 1), (user, "POST /orders", "a", b"an order", 1),
        ):  # fmt: skip
            cursor.execute(ROW, [str(owner), operation, key, b"", 202, body, hours])
    migrations.upgrade("order_service", url, to="0007")
    with administration(url) as cursor:
        cursor.execute("SELECT user_id, operation, key, body FROM idempotency_keys")
        kept = {(str(row[0]), *row[1:3], bytes(row[3])) for row in cursor.fetchall()}
    assert kept == {
        (str(user), usual, "a", b"first"), (str(user), usual, "b", b"first"),
        (str(other), usual, "a", b"of another"), (str(user), "POST /orders", "a", b"an order"),
    }  # fmt: skip
