"""While the API key and the webhook secret are rotated, both of each are valid."""

import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sandbox.tests.gateway.receiver import Receiver
from sandbox.tests.processes import Process, eventually, free_port

TOKEN = {"amount": 1, "currency": "GBP", "token": "tok_ok", "reference": "r"}


@pytest.fixture
def rotating(tmp_path: Path, receiver: Receiver) -> Iterator[Process]:
    port = free_port()
    environment = {
        "SANDBOX_GATEWAY_PORT": str(port),
        "SANDBOX_DATA_DIR": str(tmp_path / "data"),
        "GATEWAY_WEBHOOK_URL": receiver.url,
        "GATEWAY_API_KEY": "new key",
        "FORMER_GATEWAY_API_KEY": "old key",
        "GATEWAY_WEBHOOK_SECRET": "new secret",
        "FORMER_GATEWAY_WEBHOOK_SECRET": "old secret",
    }
    process = Process("sandbox.gateway", port, environment, tmp_path / "gateway.log").start()
    yield process
    process.kill()


def test_both_keys_are_accepted_and_webhooks_are_signed_with_both_secrets(
    rotating: Process, receiver: Receiver
) -> None:
    for key, status in (("new key", 201), ("old key", 201), ("another", 401)):
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": key}
        assert httpx.post(f"{rotating.url}/charges", json=TOKEN, headers=headers).status_code == status
    delivery = eventually(lambda: receiver.deliveries)[0]
    stamp, *digests = delivery.signature.split(",")
    signed = stamp.removeprefix("t=").encode() + b"." + delivery.body
    secrets = (b"new secret", b"old secret")
    assert digests == [f"v1={hmac.new(secret, signed, hashlib.sha256).hexdigest()}" for secret in secrets]
