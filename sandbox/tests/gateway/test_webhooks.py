import hashlib
import hmac
import itertools
import re
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx

from sandbox.tests.gateway.conftest import SECRET
from sandbox.tests.gateway.receiver import Delivery, Receiver
from sandbox.tests.gateway.test_charges import charge
from sandbox.tests.processes import Process, eventually


def owed(client: httpx.Client) -> int:
    return int(client.get("/books").json()["webhooks"]["owed"])


def test_the_signature_covers_time_and_body(client: httpx.Client, receiver: Receiver) -> None:
    charge(client, "tok_ok")
    [delivery] = eventually(lambda: receiver.deliveries)
    found = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", delivery.signature)
    assert found is not None
    assert abs(int(found[1]) - time.time()) < 60
    signed = found[1].encode() + b"." + delivery.body
    assert hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest() == found[2]


def test_rejected_webhooks_are_sent_again_after_growing_pauses(client: httpx.Client, receiver: Receiver) -> None:
    times: list[float] = []

    def reject_thrice(delivery: Delivery) -> int:
        times.append(time.monotonic())
        return 500 if len(times) < 4 else 200

    receiver.answer = reject_thrice
    charge(client, "tok_ok")
    eventually(lambda: len(times) == 4 and owed(client) == 0)
    pauses = [after - before for before, after in itertools.pairwise(times)]
    assert all(pause >= least for pause, least in zip(pauses, (0.1, 0.2, 0.4), strict=True)), pauses
    assert len(receiver.by_event()) == 1


def test_a_slow_delivery_does_not_delay_others(client: httpx.Client, receiver: Receiver) -> None:
    first = str(charge(client, "tok_ok", reference="poison").json()["id"])
    receiver.answer = lambda delivery: 500 if first in str(delivery.event) else 204
    others = [str(charge(client, "tok_ok").json()["id"]) for _ in range(50)]
    eventually(lambda: all(receiver.of(id) for id in others))


def test_a_webhook_in_flight_is_not_sent_again(client: httpx.Client, receiver: Receiver) -> None:
    release = threading.Event()
    arrivals: list[str] = []

    def hold_the_slow(delivery: Delivery) -> int:
        arrivals.append(delivery.event["data"]["charge"]["reference"])
        if arrivals[-1] == "slow":
            release.wait(8)
        return 204

    receiver.answer = hold_the_slow
    charge(client, "tok_ok", reference="slow")
    others = [str(charge(client, "tok_ok").json()["id"]) for _ in range(30)]
    eventually(lambda: all(receiver.of(id) for id in others))
    release.set()
    eventually(lambda: owed(client) == 0)
    assert arrivals.count("slow") == 1


def test_a_killed_gateway_delivers_every_webhook_after_its_restart(
    client: httpx.Client, gateway: Process, receiver: Receiver
) -> None:
    receiver.stop()
    tokens = ["tok_ok", "tok_declined", "tok_duplicate", "tok_late"]
    made = [(token, charge(client, token).json()["id"]) for token in tokens * 10]
    gateway.kill()
    gateway.start()
    before = owed(client)
    receiver.start()
    eventually(lambda: owed(client) == 0, timeout=30)
    assert before == 10 * (1 + 1 + 5 + 1)
    expected = {
        "tok_ok": ["charge.succeeded"],
        "tok_declined": ["charge.failed"],
        "tok_duplicate": ["charge.pending", *["charge.succeeded"] * 4],
        "tok_late": ["charge.succeeded"],
    }
    assert {id: sorted(receiver.types(id)) for _, id in made} == {id: expected[token] for token, id in made}


def test_a_kill_under_load_loses_no_answered_charge(client: httpx.Client, gateway: Process, receiver: Receiver) -> None:
    answered: list[str] = []

    def pay(number: int) -> None:
        try:
            answer = charge(client, "tok_ok", key=f"load-{number}", reference=f"load-{number}")
        except httpx.TransportError:
            return
        answered.append(str(answer.json()["id"]))

    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(pay, number) for number in range(300)]
        eventually(lambda: len(answered) >= 100)
        gateway.kill()
    assert all(one.exception() is None for one in running)
    assert len(answered) < 300, "the kill came after the load"
    gateway.start()
    eventually(lambda: owed(client) == 0)
    charges = client.get("/charges", params={"limit": 1000}).json()["items"]
    assert set(answered) <= {one["id"] for one in charges}
    told = Counter(one.event["data"]["charge"]["id"] for one in receiver.deliveries)
    assert set(told) == {one["id"] for one in charges}
    assert set(receiver.by_event().values()) <= {1, 2}, "only what was under way at the kill may come twice"


def test_a_stop_is_graceful_and_keeps_undelivered_webhooks(
    client: httpx.Client, gateway: Process, receiver: Receiver
) -> None:
    receiver.stop()
    id = str(charge(client, "tok_ok").json()["id"])
    gateway.stop()
    assert "Traceback" not in gateway.log
    gateway.start()
    receiver.start()
    eventually(lambda: receiver.types(id) == ["charge.succeeded"])


def test_the_webhook_comes_before_the_answer(client: httpx.Client, receiver: Receiver) -> None:
    answer = charge(client, "tok_slow_answer")
    assert receiver.types(answer.json()["id"]) == ["charge.succeeded"]


def test_the_older_webhook_comes_last(client: httpx.Client, receiver: Receiver) -> None:
    id = str(charge(client, "tok_reversed").json()["id"])
    eventually(lambda: len(receiver.of(id)) == 2)
    assert receiver.types(id) == ["charge.succeeded", "charge.pending"]
    assert [delivery.event["data"]["charge"]["status"] for delivery in receiver.of(id)] == ["succeeded", "pending"]


def test_no_webhook_is_sent(client: httpx.Client, receiver: Receiver) -> None:
    id = str(charge(client, "tok_no_webhook").json()["id"])
    eventually(lambda: client.get(f"/charges/{id}").json()["status"] == "succeeded")
    assert owed(client) == 0
    assert receiver.of(id) == []
