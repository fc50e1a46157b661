"""The sandbox's processes, each on free ports and with its data in a directory of the test."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Self, TypeVar

T = TypeVar("T")
ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(condition: Callable[[], T], timeout: float = 15) -> T:
    """The first true value of the condition. Raises: AssertionError, after `timeout` seconds."""
    end = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s")
        time.sleep(0.02)
    return value


class Process:
    """One part of the sandbox, which can be killed and started again on the same port and books."""

    def __init__(self, module: str, port: int, environment: dict[str, str], log: Path) -> None:
        self._module, self._environment, self._log = module, environment, log
        self.url = f"http://127.0.0.1:{port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        environment = {**os.environ, "ENV_FILE": os.devnull, **self._environment}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module], cwd=ROOT, env=environment, stdout=log, stderr=log
            )
        eventually(self._ready, timeout=30)
        return self

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        return self._end(signal.SIGTERM)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        return self._log.read_text()

    def _end(self, how: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(how)
        return self._process.wait(timeout=20)

    def _ready(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"{self._module} ended:\n{self.log}")
        try:
            # Not httpx, which costs 40 ms for each client.
            with urllib.request.urlopen(f"{self.url}/health/ready", timeout=5):
                return True
        except OSError:
            return False
