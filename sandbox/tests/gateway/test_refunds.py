from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from sandbox.tests.gateway.receiver import Receiver
from sandbox.tests.gateway.test_charges import charge, status
from sandbox.tests.processes import eventually


@pytest.fixture
def paid(client: httpx.Client) -> str:
    """The id of a charge of 1250 that has succeeded."""
    id = str(charge(client, "tok_ok").json()["id"])
    eventually(lambda: status(client, id) == "succeeded")
    return id


def refund(client: httpx.Client, charge_id: str, amount: int, key: str) -> httpx.Response:
    return client.post(f"/charges/{charge_id}/refunds", json={"amount": amount}, headers={"Idempotency-Key": key})


def test_a_charge_is_refunded_in_parts(client: httpx.Client, receiver: Receiver, paid: str) -> None:
    part = refund(client, paid, 250, "part")
    assert part.status_code == 201
    assert refund(client, paid, 1001, "too much").json()["type"] == "refund-above-charge"
    rest = refund(client, paid, 1000, "rest")
    assert refund(client, paid, 1, "one more").status_code == 422
    eventually(lambda: receiver.types(paid).count("refund.succeeded") == 2)
    refunds = [one.event["data"]["refund"] for one in receiver.of(paid) if one.type == "refund.succeeded"]
    assert {one["id"] for one in refunds} == {part.json()["id"], rest.json()["id"]}
    assert {one["status"] for one in refunds} == {"succeeded"}
    books = client.get("/books").json()
    assert books["totals"]["GBP"] | {"captured": 1250, "refunded": 1250, "refunds": 2} == books["totals"]["GBP"]
    assert [one["id"] for one in books["refunds"]["items"]] == [rest.json()["id"], part.json()["id"]]


def test_concurrent_refunds_never_exceed_the_payment(client: httpx.Client, paid: str) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda n: refund(client, paid, 200, f"key-{n}"), range(20)))
    assert sorted(answer.status_code for answer in answers) == [201] * 6 + [422] * 14
    assert client.get(f"/charges/{paid}").json()["refunded"] == 1200


def test_concurrent_requests_with_one_key_are_one_refund(client: httpx.Client, paid: str) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: refund(client, paid, 200, "one"), range(20)))
    assert {answer.status_code for answer in answers} == {201}
    [found] = client.get("/refunds", params={"idempotency_key": "one"}).json()["items"]
    assert {answer.json()["id"] for answer in answers} == {found["id"]}
    assert client.get("/books").json()["totals"]["GBP"]["refunded"] == 200
    assert refund(client, paid, 201, "one").json()["type"] == "idempotency-key-reused"


@pytest.mark.parametrize("token", ["tok_declined", "tok_late"])
def test_an_unpaid_charge_is_not_refundable(client: httpx.Client, token: str) -> None:
    id = charge(client, token).json()["id"]
    assert refund(client, id, 1, "key").json()["type"] == "charge-not-refundable"


def test_an_unknown_charge_is_not_found(client: httpx.Client) -> None:
    assert refund(client, "ch_unknown", 1, "key").status_code == 404
