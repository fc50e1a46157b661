import os
import subprocess
import sys
from pathlib import Path

from sandbox.tests.processes import ROOT, Process


def start(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("GATEWAY_", "SANDBOX_"))}
    return subprocess.run(
        [sys.executable, "-m", "sandbox.gateway"],
        check=False,
        cwd=ROOT,
        env={**clean, "ENV_FILE": os.devnull, **environment},
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_the_gateway_does_not_start_without_its_secrets() -> None:
    ended = start({"GATEWAY_API_KEY": "key"})
    assert ended.returncode == 1
    assert "GATEWAY_WEBHOOK_SECRET: Field required" in ended.stderr


def test_two_gateways_never_share_books(gateway: Process, tmp_path: Path) -> None:
    secrets = {"GATEWAY_API_KEY": "key", "GATEWAY_WEBHOOK_SECRET": "secret"}
    ended = start({**secrets, "SANDBOX_DATA_DIR": str(tmp_path / "data"), "SANDBOX_GATEWAY_PORT": "0"})
    assert ended.returncode != 0
    assert "is in use by another process" in ended.stderr
