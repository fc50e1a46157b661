"""Signatures of webhooks: `t=<unix time>,v1=<hex HMAC-SHA256 of "<t>.<body>">`, as Stripe and the sandbox sign."""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta

from order_service.payments.gateways.port import WebhookSignatureWrong

TOLERANCE = timedelta(minutes=5)


def check(secrets: Sequence[bytes], signature: str, body: bytes, now: datetime) -> None:
    """The signature must be by one of the secrets. Raises: WebhookSignatureWrong."""
    parts = [part.strip().partition("=") for part in signature.split(",")]
    stamps = [value for name, _, value in parts if name == "t"]
    # Two digests while the gateway's secret is being rotated.
    digests = [value for name, _, value in parts if name == "v1"]
    if len(stamps) != 1 or not stamps[0].isascii() or not stamps[0].isdigit() or not digests:
        raise WebhookSignatureWrong(reason="there is no `t=…,v1=…`")
    signed = stamps[0].encode() + b"." + body
    expected = [hmac.new(secret, signed, hashlib.sha256).hexdigest().encode() for secret in secrets]
    if not any(hmac.compare_digest(each, digest.encode()) for each in expected for digest in digests):
        raise WebhookSignatureWrong(reason="it does not fit the body")
    if abs(now.timestamp() - int(stamps[0][:15])) > TOLERANCE.total_seconds():
        raise WebhookSignatureWrong(reason="it is too old")
