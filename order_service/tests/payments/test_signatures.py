"""The checks of a webhook's signature, time and form, without a service or a gateway."""

import hmac
import json
import time

import pytest
from pydantic import SecretStr

from order_service.payments.gateways.port import Charge, GatewayRefund, WebhookSignatureWrong
from order_service.payments.gateways.sandbox import open_sandbox
from order_service.tests.payments.conftest import SECRET, signature
from service_kit.clock import utcnow
from service_kit.problems import InvalidRequest

UNKNOWN_EVENT = '{"type": "unheard.of"}'
CHARGE = {
    "id": "ch_1", "status": "succeeded", "amount": 5, "currency": "GBP", "reference": "order", "idempotency_key": "key"
}  # fmt: skip


async def received(body: str, header: str | None, former: SecretStr | None = None) -> Charge | GatewayRefund | None:
    secrets = (SecretStr(SECRET), former)
    async with open_sandbox("http://127.0.0.1:1", SecretStr("key"), secrets, 1) as gateway:
        headers = {} if header is None else {"webhook-signature": header}
        return gateway.read_webhook(headers, body.encode(), utcnow())


async def test_a_signed_event_is_read() -> None:
    body = json.dumps({"type": "charge.succeeded", "data": {"charge": CHARGE}, "new": "field"}, indent=2)
    event = await received(body, signature(body))
    assert isinstance(event, Charge)
    assert event.amount == 5


@pytest.mark.parametrize("age", [-200, 0, 200])
async def test_a_recent_signature_is_accepted(age: int) -> None:
    assert await received(UNKNOWN_EVENT, signature(UNKNOWN_EVENT, at=time.time() - age)) is None


@pytest.mark.parametrize("age", [-600, 600, 10**12])
async def test_an_old_signature_is_rejected(age: int) -> None:
    with pytest.raises(WebhookSignatureWrong, match="too old"):
        await received(UNKNOWN_EVENT, signature(UNKNOWN_EVENT, at=abs(time.time() - age)))


async def test_a_signature_by_another_secret_or_of_another_body_is_rejected() -> None:
    with pytest.raises(WebhookSignatureWrong):
        await received(UNKNOWN_EVENT, signature(UNKNOWN_EVENT, secret="another"))
    with pytest.raises(WebhookSignatureWrong):
        await received(UNKNOWN_EVENT + " ", signature(UNKNOWN_EVENT))


async def test_the_former_secret_is_accepted_as_long_as_it_is_set() -> None:
    by_former = signature(UNKNOWN_EVENT, secret="old")
    assert await received(UNKNOWN_EVENT, by_former, SecretStr("old")) is None
    assert await received(UNKNOWN_EVENT, signature(UNKNOWN_EVENT), SecretStr("old")) is None
    for former in (None, SecretStr("")):
        with pytest.raises(WebhookSignatureWrong):
            await received(UNKNOWN_EVENT, by_former, former)
    with pytest.raises(WebhookSignatureWrong):
        await received(UNKNOWN_EVENT, signature(UNKNOWN_EVENT, secret=""), SecretStr(""))


async def test_one_valid_signature_of_two_is_enough_while_the_secret_is_rotated() -> None:
    both = f"{signature(UNKNOWN_EVENT, secret='old')},{signature(UNKNOWN_EVENT).partition(',')[2]}"
    assert await received(UNKNOWN_EVENT, both) is None


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "nonsense",
        "t=,v1=",
        "v1=abc",
        "t=12",
        "t=²,v1=abc",
        f"t={'9' * 5000},v1=abc",
        "t=1,t=2,v1=a",
        "t=1,v1=é",
    ],
)
async def test_a_malformed_signature_is_rejected(header: str | None) -> None:
    with pytest.raises(WebhookSignatureWrong):
        await received(UNKNOWN_EVENT, header)


@pytest.mark.parametrize("body", ["", "{", '{"type": "charge.succeeded"}', '{"type": "refund.failed", "data": []}'])
async def test_a_signed_event_in_an_unknown_form_is_rejected(body: str) -> None:
    with pytest.raises(InvalidRequest):
        await received(body, signature(body))


@pytest.mark.parametrize("body", ["[]", "null", "1", "{}", '{"type": ["charge.succeeded"]}', UNKNOWN_EVENT])
async def test_events_of_other_types_are_ignored(body: str) -> None:
    assert await received(body, signature(body)) is None


async def test_a_body_or_signature_with_one_changed_character_is_rejected() -> None:
    header = signature(UNKNOWN_EVENT)
    stamp, digest = header.removeprefix("t=").split(",v1=")
    for at, character in enumerate(digest):
        other = "0" if character != "0" else "1"
        with pytest.raises(WebhookSignatureWrong):
            await received(UNKNOWN_EVENT, f"t={stamp},v1={digest[:at]}{other}{digest[at + 1 :]}")
    for at in range(len(UNKNOWN_EVENT)):
        with pytest.raises(WebhookSignatureWrong):
            await received(UNKNOWN_EVENT[:at] + "~" + UNKNOWN_EVENT[at + 1 :], header)
    for changed in (f"t={int(stamp) + 1},v1={digest}", f"t={stamp},v1={digest}00", f"t={stamp},v1={digest[:-2]}"):
        with pytest.raises(WebhookSignatureWrong):
            await received(UNKNOWN_EVENT, changed)


async def test_signatures_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """`hmac.compare_digest` is the only comparison of each digest."""
    compared: list[bytes] = []

    def compare(expected: bytes, given: bytes) -> bool:
        compared.append(given)
        return compare_digest(expected, given)

    compare_digest = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", compare)
    with pytest.raises(WebhookSignatureWrong):
        await received(UNKNOWN_EVENT, f"t={int(time.time())},v1=aa,v1=bb")
    assert compared == [b"aa", b"bb"]
