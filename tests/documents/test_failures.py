"""Mails explain every failed payment in words, for every code of the gateway and of the order service."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts import examples
from contracts.events.payment_status import PaymentFailed
from notification_service.kinds import Kind
from notification_service.notifications.failures import UNKNOWN, why_it_failed
from notification_service.notifications.wording import facts_of
from notification_service.templates import text_for
from order_service.payments.gateways.sandbox import REJECTIONS, rejection_code
from order_service.payments.limits import NEVER_CHARGED
from order_service.payments.settlement import DECLINED, VOIDED
from sandbox.gateway.books import FAILURE_REASONS

GATEWAY = Path(__file__).parents[2] / "sandbox" / "gateway"
OUTSIDE = ["Do not honour (05)", "<b>no</b>", ""]


def _sandbox_codes() -> Iterator[str]:
    """All types of problems in the sandbox's source, and all its reasons for declined cards."""
    source = "\n".join(path.read_text() for path in GATEWAY.glob("*.py"))
    yield from re.findall(r"(?:Rejected|problem)\(\s*4\d\d, \"([a-z-]+)\"", source)
    yield from FAILURE_REASONS.values()


def _codes() -> list[str]:
    without_type = [rejection_code(status, b"no json") for status in sorted(REJECTIONS)]
    with_type = [rejection_code(422, b'{"type": "https://pay.example/errors/card-stolen"}')]
    return [NEVER_CHARGED, DECLINED, VOIDED, *without_type, *with_type, *sorted(set(_sandbox_codes())), *OUTSIDE]


def test_the_sandbox_has_codes() -> None:
    assert {"card_declined", "idempotency-key-reused", "not-found", "invalid-request"} <= set(_sandbox_codes())


@pytest.mark.parametrize("code", _codes())
def test_every_failure_code_has_a_text(code: str) -> None:
    example = PaymentFailed.model_validate_json(examples.newest(PaymentFailed.type).read_text())
    failed = example.model_copy(update={"reason": code})
    facts = facts_of(failed)
    body = text_for(Kind.PAYMENT_FAILED, facts).body
    assert f"failed: {why_it_failed(code)}." in body
    assert not code or code == DECLINED or code not in body + str(facts)
    assert not re.search(r"\w_\w|http-|never-charged", body)


def test_common_failure_codes_have_their_own_texts() -> None:
    assert UNKNOWN not in {why_it_failed(code) for code in (NEVER_CHARGED, DECLINED, "card_declined", "expired_card")}
