"""Processes of one service with one database, as in production."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil

from tests.harness import tokens
from tests.harness.limits import RAISED
from tests.harness.service import NEEDED, NOBODY
from tests.system.world import until

ROOT = Path(__file__).parents[2]


class Replica:
    def __init__(self, service: str, database_url: str, port: int, directory: Path, **settings: str) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._service = service
        self._log = directory / f"{service}-{port}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = {
            **os.environ,
            "ENV_FILE": os.devnull,
            "ENVIRONMENT": "development",
            "DATABASE_URL": database_url,
            "PORT": str(port),
            "OPERATIONS_PORT": "0",
            "KAFKA_BOOTSTRAP_SERVERS": NOBODY,
            "PUBLIC_ISSUER": tokens.ISSUER,
            "JWKS_URL": f"http://{NOBODY}/",
            "LOG_LEVEL": "WARNING",
            **RAISED,
            **{name.upper(): str(value) for name, value in NEEDED.get(service.removesuffix("_service"), {}).items()},
            **settings,
        }

    async def start(self) -> None:
        command = [sys.executable, "-m", "service_kit", "serve", self._service]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, env=self._environment, stdout=log, stderr=log)
        await until(f"{self._service} on {self.port} is ready", self._is_ready)

    async def stop(self) -> float:
        """Sends SIGTERM. Returns the seconds until the process ended."""
        assert self._process is not None
        began = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(self._process.wait, 30)
        return time.monotonic() - began

    def kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    @property
    def memory(self) -> int:
        """Resident bytes."""
        assert self._process is not None
        resident: int = psutil.Process(self._process.pid).memory_info().rss
        return resident

    @property
    def log(self) -> str:
        return self._log.read_text()

    async def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"it ended:\n{self.log}"
        async with httpx.AsyncClient() as client:
            try:
                return (await client.get(f"{self.url}/health/ready")).is_success
            except httpx.TransportError:
                return False
