"""Charges that need more than one step: the customer's confirmation; capture, or cancellation, after authorisation."""

import sqlite3
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.gateway import books
from sandbox.tests.gateway.receiver import Receiver
from sandbox.tests.gateway.test_charges import charge, status
from sandbox.tests.processes import Process, eventually


def change(client: httpx.Client, id: str, what: str, key: str = "change", **body: Any) -> httpx.Response:
    json = body if what == "capture" else None
    return client.post(f"/charges/{id}/{what}", json=json, headers={"Idempotency-Key": f"{key}-{id}"})


def received_last(receiver: Receiver, id: str, type: str) -> bool:
    return receiver.types(id)[-1:] == [type]


def authorised(client: httpx.Client, receiver: Receiver, token: str = "tok_ok", **body: Any) -> str:
    id = str(charge(client, token, **body).json()["id"])
    eventually(lambda: "charge.authorised" in receiver.types(id))
    assert status(client, id) == "authorised"
    return id


def test_a_charge_waits_for_its_customer(gateway: Process, client: httpx.Client, receiver: Receiver) -> None:
    made = charge(client, "tok_action_required")
    assert (made.status_code, made.json()["status"]) == (201, "action_required")
    id, url = made.json()["id"], made.json()["next_action"]["url"]
    eventually(lambda: receiver.types(id) == ["charge.action_required"])
    assert url.startswith(gateway.url.replace("127.0.0.1", "localhost"))
    assert "1250 GBP (minor units): <strong>action_required</strong>" in httpx.get(url).text

    confirmed = httpx.post(f"{url}/confirm", follow_redirects=True)
    assert "<strong>succeeded</strong>" in confirmed.text
    eventually(lambda: receiver.types(id) == ["charge.action_required", "charge.succeeded"])
    assert receiver.of(id)[-1].event["data"]["charge"]["next_action"] is None
    assert "<strong>succeeded</strong>" in httpx.post(f"{url}/reject", follow_redirects=True).text
    assert httpx.post(f"{url}/think").status_code == 422
    assert httpx.get(f"{url}0").status_code == 404


def test_the_customer_may_reject(client: httpx.Client, receiver: Receiver) -> None:
    made = charge(client, "tok_action_required").json()
    httpx.post(f"{made['next_action']['url']}/reject")
    eventually(lambda: receiver.types(made["id"])[-1:] == ["charge.failed"])
    found = client.get(f"/charges/{made['id']}").json()
    assert (found["status"], found["failure_reason"], found["captured"]) == ("declined", "authentication_failed", 0)


def test_a_confirmed_charge_without_capture_is_only_authorised(client: httpx.Client, receiver: Receiver) -> None:
    made = charge(client, "tok_action_required", capture=False).json()
    httpx.post(f"{made['next_action']['url']}/confirm")
    eventually(lambda: receiver.types(made["id"])[-1:] == ["charge.authorised"])


@pytest.mark.parametrize(("token", "body"), [("tok_ok", {"capture": False}), ("tok_authorised", {})])
def test_an_authorised_charge_is_captured_once(
    client: httpx.Client, receiver: Receiver, token: str, body: dict[str, Any]
) -> None:
    id = authorised(client, receiver, token, **body)
    assert client.get("/books").json()["totals"]["GBP"]["captured"] == 0
    too_much = change(client, id, "capture", key="more", amount=1251)
    assert (too_much.status_code, too_much.json()["type"]) == (422, "capture-above-charge")
    for replayed in (False, True):
        captured = change(client, id, "capture")
        assert (captured.status_code, captured.json()["captured"]) == (201, 1250)
        assert ("Idempotent-Replayed" in captured.headers) == replayed
    assert change(client, id, "capture", amount=1).json()["type"] == "idempotency-key-reused"
    assert change(client, id, "capture", key="again").json()["type"] == "charge-not-capturable"
    assert change(client, id, "cancel").json()["type"] == "idempotency-key-reused"
    assert change(client, id, "cancel", key="other").json()["type"] == "charge-not-cancellable"
    eventually(lambda: receiver.types(id) == ["charge.authorised", "charge.succeeded"])
    assert client.get("/books").json()["totals"]["GBP"]["captured"] == 1250


def test_refunds_never_exceed_a_partial_capture(client: httpx.Client, receiver: Receiver) -> None:
    id = authorised(client, receiver, capture=False)
    captured = change(client, id, "capture", amount=1000).json()
    assert (captured["amount"], captured["captured"], captured["status"]) == (1250, 1000, "succeeded")
    for amount, answer in ((1001, 422), (1000, 201)):
        headers = {"Idempotency-Key": f"refund-{amount}"}
        refunded = client.post(f"/charges/{id}/refunds", json={"amount": amount}, headers=headers)
        assert refunded.status_code == answer


def test_a_cancelled_charge_is_never_captured(client: httpx.Client, receiver: Receiver) -> None:
    waiting = str(charge(client, "tok_action_required").json()["id"])
    for id in (waiting, authorised(client, receiver, capture=False)):
        for replayed in (False, True):
            voided = change(client, id, "cancel")
            assert (voided.status_code, voided.json()["status"]) == (201, "voided")
            assert ("Idempotent-Replayed" in voided.headers) == replayed
        assert change(client, id, "capture", key="capture").status_code == 422
        eventually(partial(received_last, receiver, id, "charge.voided"))
    httpx.post(f"{client.base_url}/confirmations/{waiting}/confirm")
    assert status(client, waiting) == "voided"
    totals = client.get("/books").json()["totals"]["GBP"]
    assert (totals["voided"], totals["captured"]) == (2, 0)


def test_a_pending_charge_can_be_neither_captured_nor_cancelled(client: httpx.Client) -> None:
    id = str(charge(client, "tok_late").json()["id"])
    assert change(client, id, "capture").json()["detail"] == "The charge is pending."
    assert change(client, id, "cancel").json()["detail"] == "The charge is pending."
    assert change(client, "ch_unknown", "cancel").status_code == 404


OLD = """
CREATE TABLE charges (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, idempotency_key TEXT NOT NULL UNIQUE, fingerprint BLOB NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    refunded INTEGER NOT NULL DEFAULT 0 CHECK (refunded BETWEEN 0 AND amount),
    currency TEXT NOT NULL, reference TEXT NOT NULL, metadata TEXT NOT NULL, token TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('succeeded', 'declined')),
    created_at REAL NOT NULL, settles_at REAL NOT NULL
);
INSERT INTO charges VALUES
    (7, 'ch_1', 'key-1', x'00', 500, 200, 'GBP', 'r', '{}', 'tok_ok', 'succeeded', 1, 1),
    (8, 'ch_2', 'key-2', x'00', 500, 0, 'GBP', 'r', '{}', 'tok_declined', 'declined', 1, 1);
"""


def test_books_from_before_authorisations_are_migrated(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "gateway.sqlite", isolation_level=None)
    db.row_factory = sqlite3.Row
    db.executescript(OLD)
    for _ in range(2):
        books.migrate(db)
        db.executescript(books.SCHEMA)
    old, declined = (books.charge_body(books.find_charge(db, id), 2) for id in ("ch_1", "ch_2"))
    assert (old["status"], old["captured"], old["refunded"]) == ("succeeded", 500, 200)
    assert (declined["status"], declined["captured"]) == ("declined", 0)
    assert [row["seq"] for row in db.execute("SELECT seq FROM charges ORDER BY seq")] == [7, 8]
