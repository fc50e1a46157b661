import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from sandbox.tests.gateway.receiver import Receiver
from sandbox.tests.processes import Process, eventually

numbers = itertools.count(1)


def charge(client: httpx.Client, token: str, key: str | None = None, **changes: Any) -> httpx.Response:
    number = next(numbers)
    body = {"amount": 1250, "currency": "GBP", "token": token, "reference": f"order-{number}-end", **changes}
    return client.post("/charges", json=body, headers={"Idempotency-Key": key or f"key-{number}"})


def status(client: httpx.Client, id: str) -> str:
    return str(client.get(f"/charges/{id}").json()["status"])


def test_ok_is_pending_then_succeeds_with_one_webhook(client: httpx.Client, receiver: Receiver) -> None:
    made = charge(client, "tok_ok", metadata={"order_id": "7"})
    assert made.status_code == 201
    assert made.json()["status"] == "pending"
    eventually(lambda: client.get("/books").json()["webhooks"]["owed"] == 0 and receiver.deliveries)
    [delivery] = receiver.deliveries
    assert delivery.type == "charge.succeeded"
    told = delivery.event["data"]["charge"]
    assert told == {**made.json(), "status": "succeeded", "captured": 1250}
    assert told["metadata"] == {"order_id": "7"}
    assert client.get(f"/charges/{told['id']}").json() == told


def test_a_declined_charge_has_a_reason(client: httpx.Client, receiver: Receiver) -> None:
    id = charge(client, "tok_declined").json()["id"]
    [delivery] = eventually(lambda: receiver.of(id))
    assert delivery.type == "charge.failed"
    assert delivery.event["data"]["charge"]["failure_reason"] == "card_declined"
    assert status(client, id) == "declined"
    assert client.get("/books").json()["totals"]["GBP"]["captured"] == 0


def test_late_is_pending_until_it_succeeds(client: httpx.Client, receiver: Receiver) -> None:
    late = charge(client, "tok_late").json()["id"]
    soon = charge(client, "tok_ok").json()["id"]
    eventually(lambda: receiver.of(soon))
    assert status(client, late) == "pending"
    assert not receiver.of(late)
    eventually(lambda: receiver.types(late) == ["charge.succeeded"])
    assert status(client, late) == "succeeded"


def test_duplicate_webhooks_arrive_out_of_order(client: httpx.Client, receiver: Receiver) -> None:
    id = charge(client, "tok_duplicate").json()["id"]
    eventually(lambda: len(receiver.of(id)) == 5)
    types = receiver.types(id)
    assert types[:3] == ["charge.succeeded"] * 3
    assert sorted(types[3:]) == ["charge.pending", "charge.succeeded"]
    assert sorted(receiver.by_event().values()) == [1, 4], "a repeated webhook keeps its id"
    assert status(client, id) == "succeeded"


def test_lost_answer_is_charged_once_and_found_by_its_key(client: httpx.Client, receiver: Receiver) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        charge(client, "tok_lost_answer", key="lost", reference="lost-1")
    [found] = client.get("/charges", params={"idempotency_key": "lost"}).json()["items"]
    again = charge(client, "tok_lost_answer", key="lost", reference="lost-1")
    assert again.status_code == 201
    assert again.json()["id"] == found["id"]
    eventually(lambda: receiver.types(found["id"]) == ["charge.succeeded"])
    assert client.get("/books").json()["totals"]["GBP"]["captured"] == 1250


def test_concurrent_requests_with_one_key_are_one_charge(client: httpx.Client, receiver: Receiver) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: charge(client, "tok_ok", key="one", reference="one"), range(20)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert client.get("/books").json()["totals"]["GBP"]["charges"] == 1
    eventually(lambda: client.get("/books").json()["webhooks"]["owed"] == 0 and receiver.deliveries)
    assert len(receiver.deliveries) == 1


def test_one_key_with_another_body_is_rejected(client: httpx.Client) -> None:
    charge(client, "tok_ok", key="one", reference="one")
    rejected = charge(client, "tok_ok", key="one", reference="one", amount=1251)
    assert rejected.status_code == 422
    assert rejected.json()["type"] == "idempotency-key-reused"


@pytest.mark.parametrize(
    "wrong",
    [{"token": "tok_unknown"}, {"amount": 0}, {"amount": 12.5}, {"amount": "12"}, {"currency": "gbp"}, {"more": 1}],
)
def test_an_invalid_charge_is_rejected_with_the_name_of_the_field(client: httpx.Client, wrong: dict[str, Any]) -> None:
    rejected = charge(client, **{"token": "tok_ok", **wrong})
    assert rejected.status_code == 422
    assert rejected.headers["content-type"] == "application/problem+json"
    assert rejected.json()["errors"][0]["field"] == f"body.{next(iter(wrong))}"
    assert client.get("/books").json()["totals"] == {}


def test_a_key_is_required(client: httpx.Client) -> None:
    body = {"amount": 1, "currency": "GBP", "token": "tok_ok", "reference": "r"}
    assert client.post("/charges", json=body).status_code == 400


def test_the_books_require_the_api_key(gateway: Process) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic key-of-this-test"}):
        for path in ("/books", "/charges", "/charges/x", "/refunds"):
            assert httpx.get(gateway.url + path, headers=headers).status_code == 401
        body = {"amount": 1, "currency": "GBP", "token": "tok_ok", "reference": "r"}
        assert httpx.post(f"{gateway.url}/charges", json=body, headers=headers).status_code == 401


def test_lists_are_paged_and_found_by_reference(client: httpx.Client) -> None:
    ids = [charge(client, "tok_ok", reference="same").json()["id"] for _ in range(3)]
    charge(client, "tok_ok", reference="other")
    first = client.get("/charges", params={"reference": "same", "limit": 2}).json()
    rest = client.get("/charges", params={"reference": "same", "limit": 2, "cursor": first["next"]}).json()
    assert [item["id"] for item in first["items"] + rest["items"]] == ids[::-1]
    assert rest["next"] is None
    assert client.get("/charges/ch_unknown").status_code == 404


def test_swagger_loads_nothing_from_elsewhere(gateway: Process) -> None:
    page = httpx.get(f"{gateway.url}/docs").text
    assert "/static-offline-docs/swagger-ui-bundle.js" in page
    assert "cdn" not in page
    operations = [op for path in httpx.get(f"{gateway.url}/openapi.json").json()["paths"].values() for op in path]
    assert len(operations) == 12
