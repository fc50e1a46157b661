"""Payment links: whoever has one sees what is to be paid, and pays it once."""

import base64
from asyncio import gather
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import pytest
import structlog

from contracts.events import inventory_deduction as answers
from order_service.payment_links.jobs import prune_invalid_attempts
from order_service.settings import Settings
from order_service.tests.payment_links.conftest import Links
from service_kit.http import middleware

INVALID = (404, "/problems/payment-link-invalid")


def outcome(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"]


async def test_a_customer_pays_a_draft_by_its_link(links: Links) -> None:
    draft = await links.draft()
    token = await links.of_draft(draft)
    shown = await links.show(token)
    assert (shown.status_code, shown.headers["Cache-Control"]) == (200, "no-store")
    found = shown.json()
    assert (found["order_number"], found["to_pay"]["amount"], found["quote"]["total"]) == (None, 2000, 2000)
    assert ([line["quantity"] for line in found["lines"]], found["problems"]) == ([2], [])
    changed = await links.pay(token, expected_total={"amount": 1999, "currency": "GBP"})
    assert outcome(changed) == (409, "/problems/price-changed")
    order_id, [paid] = await links.accepting(draft, links.pay(token, expected_total=found["to_pay"]))
    assert paid.status_code == 201, paid.text
    assert (await links.settled(token))["status"] == "succeeded"
    order = await links.shop.order(order_id)
    assert (order["status"], order["customer_id"]) == ("paid", draft["customer_id"])
    assert paid.json()["order_number"] == order["number"]
    [placed, *_] = await links.shop.history(order_id)
    assert (placed["actor"], placed["actor_id"]) == ("customer", draft["customer_id"])
    assert placed["details"] == {"draft_id": draft["id"], "by_payment_link": True}
    [charge] = links.gateway.charges(order_id)
    assert (charge["amount"], charge["status"]) == (2000, "succeeded")
    assert outcome(await links.show(token)) == INVALID
    assert outcome(await links.pay(token, "tok_another")) == INVALID


async def test_an_order_that_awaits_payment_is_paid_by_its_link(links: Links) -> None:
    order_id = await links.shop.accepted()
    token = await links.of_order(order_id)
    found = (await links.show(token)).json()
    order = await links.shop.order(order_id)
    assert (found["order_number"], found["to_pay"]) == (order["number"], order["total"])
    assert (found["quote"], found["expires_at"]) == (order["quote"], order["pay_by"])
    changed = await links.pay(token, expected_total={"amount": 1, "currency": "GBP"})
    assert outcome(changed) == (409, "/problems/price-changed")
    assert (await links.pay(token)).status_code == 201
    assert (await links.settled(token))["status"] == "succeeded"
    assert await links.shop.status(order_id) == "paid"


async def test_a_link_shows_no_personal_data(links: Links) -> None:
    draft = await links.draft(note="calls often")
    token = await links.of_draft(draft)
    order_id = await links.shop.accepted(ship_to={**draft["ship_to"], "name": "Ada King"})
    for shown in (await links.show(token), await links.show(await links.of_order(order_id))):
        assert shown.status_code == 200
        for private in ("Ada", "ada@", "St James", "7946", "calls often", draft["customer_id"]):
            assert private not in shown.text


async def test_a_double_click_charges_once(links: Links) -> None:
    """Both clicks have the same payment token; the third one comes when all is done."""
    draft = await links.draft()
    token = await links.of_draft(draft)
    order_id, clicks = await links.accepting(draft, *(links.pay(token) for _ in range(5)))
    assert {answer.status_code for answer in clicks} <= {201, 409}
    assert (await links.settled(token))["status"] == "succeeded"
    assert (await links.settled(token))["status"] == "succeeded"
    assert len(links.gateway.charges(order_id)) == 1
    assert await links.shop.execute("SELECT count(*) FROM orders") == 1
    assert await links.shop.execute("SELECT count(*) FROM payments") == 1


async def test_after_a_declined_card_another_one_pays(links: Links) -> None:
    order_id = await links.shop.accepted()
    token = await links.of_order(order_id)
    declined = await links.settled(token, "tok_declined")
    assert (declined["status"], declined["failure_reason"]) == ("failed", "card_declined")
    assert await links.settled(token, "tok_declined") == declined
    assert (await links.settled(token, "tok_ok"))["status"] == "succeeded"
    assert [charge["status"] for charge in links.gateway.charges(order_id)].count("succeeded") == 1


async def test_without_stock_in_time_the_same_request_pays_later(links: Links, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("order_service.payment_links.endpoints.STOCK_WAIT", 0.05)
    draft = await links.draft()
    token = await links.of_draft(draft)
    early = await links.pay(token)
    assert (*outcome(early), early.json()["order_status"]) == (409, "/problems/order-not-awaiting-payment", "pending")
    shown = (await links.show(token)).json()
    order_id, _ = await links.accepting(draft)
    assert shown["order_number"] == (await links.shop.order(order_id))["number"]
    assert (await links.settled(token))["status"] == "succeeded"
    assert await links.shop.status(order_id) == "paid"


async def test_an_order_without_stock_ends_its_link(links: Links) -> None:
    draft = await links.draft()
    token = await links.of_draft(draft)

    async def reject() -> None:
        order_id = await links.placed(draft)
        await links.shop.deliver(answers.ReservationRejected(order_id=order_id, version=1, lines=[]))

    refused, _ = await gather(links.pay(token), reject())
    assert refused.json()["order_status"] == "rejected"
    assert outcome(await links.show(token)) == INVALID


async def test_all_invalid_links_get_one_answer(links: Links) -> None:
    draft, dropped = await links.draft(), await links.draft()
    replaced = await links.of_draft(draft)
    good = await links.of_draft(draft)
    of_dropped = await links.of_draft(dropped)
    assert (await links.shop.staff.delete(f"/drafts/{dropped['id']}")).status_code == 204
    raw = base64.urlsafe_b64decode(good)
    tokens = {
        "replaced": replaced,
        "dropped": of_dropped,
        "unknown": base64.urlsafe_b64encode(uuid4().bytes + raw[16:]).decode(),
        "another secret": base64.urlsafe_b64encode(raw[:47] + bytes([raw[47] ^ 1])).decode(),
        "no token": "x",
        "no base64": "é" * 8,
    }
    bodies = set()
    for token in tokens.values():
        headers = [(b"Payment-Link", token.encode())]
        for answer in (
            await links.public.get("/payment-link", headers=headers),
            await links.public.post("/payment-link/payments", json={"token": "tok_ok"}, headers=headers),
        ):
            assert outcome(answer) == INVALID
            bodies.add(answer.json()["detail"])
    assert len(bodies) == 1
    assert (await links.show(good)).status_code == 200
    await links.shop.execute("UPDATE drafts SET expires_at = now()")
    assert outcome(await links.show(good)) == INVALID
    assert outcome(await links.pay(good)) == INVALID
    assert await links.shop.execute("SELECT count(*) FROM orders") == 0


async def test_a_link_of_the_order_replaces_that_of_its_draft(links: Links) -> None:
    draft = await links.draft()
    first = await links.of_draft(draft)
    headers = {"Idempotency-Key": "a"}
    order_id = UUID((await links.shop.staff.post(f"/drafts/{draft['id']}/order", headers=headers)).json()["id"])
    refused = await links.shop.staff.post(f"/orders/{order_id}/payment-link")
    assert outcome(refused) == (409, "/problems/order-not-awaiting-payment")
    assert outcome(await links.shop.staff.post(f"/drafts/{draft['id']}/link")) == (409, "/problems/draft-not-open")
    await links.shop.accept(order_id)
    assert (await links.show(first)).json()["order_number"] is not None
    second = await links.of_order(order_id)
    assert outcome(await links.show(first)) == INVALID
    assert (await links.show(second)).status_code == 200


async def test_invalid_links_are_limited_by_address_and_valid_ones_are_not(links: Links) -> None:
    token = await links.of_draft(await links.draft())
    settings = links.shop.runtime.resource(Settings)
    for _ in range(settings.invalid_payment_links_per_address):
        assert outcome(await links.show("x" * 64)) == INVALID
    limited = await links.show("x" * 64)
    assert outcome(limited) == (429, "/problems/too-many-requests")
    assert 3500 < int(limited.headers["Retry-After"]) <= 3600
    assert "q=60;w=3600" in limited.headers["RateLimit-Policy"]
    assert (await links.show(token)).status_code == 200
    await links.shop.execute("UPDATE invalid_link_attempts SET since = since - interval '1 hour'")
    assert outcome(await links.show("x" * 64)) == INVALID
    await links.shop.execute("UPDATE invalid_link_attempts SET since = since - interval '2 hours'")
    await prune_invalid_attempts(links.shop.runtime)
    assert await links.shop.execute("SELECT count(*) FROM invalid_link_attempts") == 0


async def test_the_token_is_in_no_log_metric_or_table(
    links: Links, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A logger keeps the level of its first use, which may have been another test's.
    monkeypatch.setattr(middleware, "log", structlog.get_logger("http"))
    draft = await links.draft()
    token = await links.of_draft(draft)
    await links.show(token)
    await links.show(token[:-1] + ("A" if token[-1] != "A" else "B"))
    await links.accepting(draft, links.pay(token))
    await links.settled(token)
    logged = capsys.readouterr()
    assert "/payment-link/payments" in logged.out + logged.err
    raw = base64.urlsafe_b64decode(token)[16:]
    shown = [logged.out, logged.err, (await links.shop.served.operations.get("/metrics")).text]
    async with links.shop.runtime.database.connection() as connection:
        for [table] in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
            shown += [row[0] for row in await connection.fetch(f'SELECT t::text FROM "{table}" AS t')]
    assert not [text for text in shown if token in text or token[30:60] in text or raw.hex() in text]


async def test_a_draft_is_placed_once_by_two_people_and_its_link_at_once(links: Links) -> None:
    draft = await links.draft()
    token = await links.of_draft(draft)
    clerks = [links.shop.served.caller(role="SubAdmin") for _ in range(2)]
    order_id, responses = await links.accepting(
        draft,
        *(by.post(f"/drafts/{draft['id']}/order", headers={"Idempotency-Key": "a"}) for by in clerks),
        *(links.pay(token) for _ in range(3)),
    )
    by_staff = Counter(answer.status_code for answer in responses[:2])
    assert by_staff in (Counter({201: 1, 409: 1}), Counter({409: 2}))
    assert await links.shop.execute("SELECT count(*) FROM orders") == 1
    assert (await links.settled(token))["status"] == "succeeded"
    assert await links.shop.status(order_id) == "paid"
    assert len(links.gateway.charges(order_id)) == 1
