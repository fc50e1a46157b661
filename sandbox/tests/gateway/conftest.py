from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sandbox.tests.gateway.receiver import Receiver
from sandbox.tests.processes import Process, free_port

API_KEY = "key-of-this-test"
SECRET = "secret-of-this-test"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver(free_port())
    receiver.start()
    yield receiver
    receiver.stop()


@pytest.fixture
def gateway(tmp_path: Path, receiver: Receiver) -> Iterator[Process]:
    port = free_port()
    key_file = tmp_path / "api_key"
    key_file.write_text(f"{API_KEY}\n")
    environment = {
        "SANDBOX_GATEWAY_PORT": str(port),
        "SANDBOX_DATA_DIR": str(tmp_path / "data"),
        "GATEWAY_API_KEY_FILE": str(key_file),
        "GATEWAY_API_KEY": "",
        "GATEWAY_WEBHOOK_SECRET": SECRET,
        "GATEWAY_WEBHOOK_URL": receiver.url,
        "SANDBOX_LATE_DELAY": "0.5",
        "SANDBOX_DUPLICATE_DELAY": "0.3",
    }
    process = Process("sandbox.gateway", port, environment, tmp_path / "gateway.log").start()
    yield process
    if process.running:
        process.kill()


@pytest.fixture
def client(gateway: Process) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {API_KEY}"}
    limits = httpx.Limits(max_connections=40, max_keepalive_connections=0)
    with httpx.Client(base_url=gateway.url, headers=headers, limits=limits, timeout=15) as client:
        yield client
