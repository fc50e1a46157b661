"""A failpoint kills its process once, and production rejects failpoints."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from local_stack.environment import ROOT
from service_kit import failpoints
from service_kit.failpoints import POINTS
from service_kit.settings import ServiceSettings

PROGRAM = """
import sys
from pathlib import Path
from service_kit import failpoints
failpoints.arm(Path(sys.argv[1]) if sys.argv[1] else None, "order")
failpoints.failpoint("mark.before")
print("alive")
"""
REACHED = re.compile(r"""\bfailpoint\("([a-z.]+)"\)""")


class Shop(ServiceSettings, service="shop"):
    """The settings of a service that exists only here."""


def _settings(**values: object) -> Shop:
    needed = {
        "database_url": "postgresql://x",
        "kafka_bootstrap_servers": "k:1",
        "public_issuer": "http://u",
        "port": 1,
    }
    return Shop(**{**needed, **values})  # type: ignore[arg-type]


def _run(directory: Path | str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, str(directory)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_failpoint_kills_one_process_once(tmp_path: Path) -> None:
    (tmp_path / "order.mark.before").touch()
    assert _run(tmp_path).returncode == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == []
    assert _run(tmp_path).stdout == "alive\n"


def test_failpoints_of_other_places_and_services_have_no_effect(tmp_path: Path) -> None:
    (tmp_path / "order.mark.after").touch()
    (tmp_path / "user.mark.before").touch()
    assert _run(tmp_path).stdout == "alive\n"
    assert len(list(tmp_path.iterdir())) == 2


def test_without_the_setting_failpoints_are_disabled() -> None:
    assert _run("").stdout == "alive\n"


def test_production_rejects_failpoints(tmp_path: Path) -> None:
    assert _settings(environment="development", failpoints=tmp_path).failpoints == tmp_path
    with pytest.raises(ValidationError, match="FAILPOINTS: not when ENVIRONMENT is production"):
        _settings(environment="production", failpoints=tmp_path)


def test_every_failpoint_is_in_the_code() -> None:
    folders = ("service_kit", "order_service", "product_service", "notification_service")
    files = [path for name in folders for path in (ROOT / name).rglob("*.py") if "tests" not in path.parts]
    found = {name for path in files if path.name != Path(failpoints.__file__).name
             for name in REACHED.findall(path.read_text())}  # fmt: skip
    assert found == POINTS
