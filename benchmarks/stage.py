"""The environment of benchmarks: separate servers of PostgreSQL and Kafka with production settings, and services."""

import asyncio
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Self

import asyncpg
import httpx
import psutil
from pydantic import SecretStr
from sqlalchemy import make_url

from local_stack import ports
from local_stack.environment import EXAMPLE, ROOT, generated
from local_stack.kafka import run
from local_stack.process import kill_tree, tail
from local_stack.shop import Shop
from order_service.settings import Settings
from service_kit.database import migrations
from service_kit.database.administration import administration
from service_kit.messaging.administration import create_topics
from tests.harness import tokens

DIRECTORY = ROOT / ".local" / "bench"
# The servers of a benchmark are on this machine.
PLAINTEXT = {"KAFKA_ALLOW_PLAINTEXT": "true", "DATABASE_ALLOW_PLAINTEXT": "true"}
# As in production, with these exceptions: a gateway without delays, which would not be costs of the services; no limits
# on registrations and orders from one address; a mailbox without TLS; staff without a second factor; a first-party
# client that may use the password grant.
SETTINGS = {
    "ENVIRONMENT": "production", **PLAINTEXT, "LOG_FORMAT": "json", "SANDBOX_WEBHOOK_DELAY": "0", "USER_LIMITS": "off",
    "ORDER_LIMITS": "off", "USER_PASSWORD_GRANT_CLIENTS": "benchmarks",
    "SMTP_STARTTLS": "false", "USER_MFA_REQUIRED_FOR_STAFF": "false", "CONSOLE_PORT": "",
}  # fmt: skip
READY_SECONDS = 60.0
ISSUER_HOST = tokens.ISSUER.removeprefix("http://")


class Stage:
    """Servers that are durable as in production (fsync, synchronous_commit), databases, and processes of services."""

    def __init__(self, directory: Path = DIRECTORY) -> None:
        if (directory / ".env").exists():  # an earlier run's processes and data must not affect this run
            Shop(directory).down()
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        (directory / ".env").write_text("".join(f"{name}={value}\n" for name, value in SETTINGS.items()))
        self.shop = Shop(directory, free_ports=True, autorestart=False)
        self.runs_all = False
        """Whether all cases are measured. Then parts that take very long are left out, as no case was named."""
        self._stack = AsyncExitStack()
        self._templates: dict[str, str] = {}
        self._shop_is_up = False

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.shop.prepare)
        self._stack.push_async_callback(asyncio.to_thread, self.shop.down)
        await asyncio.to_thread(self.shop.up_servers)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def superuser_url(self) -> str:
        return self.shop.layout.postgres.superuser_url

    @property
    def bootstrap_servers(self) -> str:
        return self.shop.bootstrap_servers

    async def shop_up(self) -> Shop:
        """Starts all five services and the sandbox, as `make up` does."""
        if not self._shop_is_up:
            await asyncio.to_thread(self.shop.up)
            self._shop_is_up = True
        return self.shop

    async def shop_down(self) -> None:
        """Stops the services, since even idle ones use CPU; the servers keep running."""
        if self._shop_is_up:
            running = [each for each in self.shop.layout.parts if each.kind != "server"]
            await asyncio.to_thread(self.shop.supervisor.stop_parts, running)
            self._shop_is_up = False

    # --- databases and topics ---

    async def database(self, service: str) -> str:
        """The URL of a new, migrated database with the benchmark's signing keys."""
        name = f"bench_{service}_{secrets.token_hex(4)}"
        with administration(self.superuser_url) as cursor:
            cursor.execute(f"CREATE DATABASE {name} TEMPLATE {self._template(service)}")
        return self.url(name)

    def _template(self, service: str) -> str:
        if service not in self._templates:
            name = f"template_{service}"
            with administration(self.superuser_url) as cursor:
                cursor.execute(f"DROP DATABASE IF EXISTS {name}")
                cursor.execute(f"CREATE DATABASE {name}")
            migrations.upgrade(service, self.url(name))
            with administration(self.url(name)) as cursor:
                keys = json.dumps(tokens.key_set())
                cursor.execute("INSERT INTO verification_keys VALUES (1, %s, now()) ON CONFLICT DO NOTHING", (keys,))
            self._templates[service] = name
        return self._templates[service]

    def url(self, database: str) -> str:
        return make_url(self.superuser_url).set(database=database).render_as_string(hide_password=False)

    def topics(self) -> str:
        """Creates topics with a new prefix. Returns the prefix."""
        prefix = f"bench-{secrets.token_hex(4)}-"
        run(create_topics(self.shop.kafka, prefix))
        return prefix

    # --- services ---

    def order_settings(self, *, limits: bool = False) -> Settings:
        """Settings of the order service, for code that runs outside its process."""
        return Settings(
            port=0, database_url=SecretStr(self.superuser_url), kafka_bootstrap_servers=self.bootstrap_servers,
            kafka_allow_plaintext=True, database_allow_plaintext=True, public_issuer=tokens.ISSUER,
            plain_http_hosts=ISSUER_HOST,
            gateway_url="http://127.0.0.1:1", gateway_webhook_url="http://127.0.0.1:1",
            gateway_api_key=SecretStr(secrets.token_hex(16)), gateway_webhook_secret=SecretStr(secrets.token_hex(16)),
            limits=limits,
        )  # fmt: skip

    @asynccontextmanager
    async def serving(
        self, service: str, database_url: str, *, checkout: Path = ROOT, **settings: Any
    ) -> AsyncIterator["Server"]:
        """One process of a service, as `make up` runs it, but with the role `api` unless `settings` change it."""
        values = {"SERVICE_ROLE": "api", "ORDER_LIMITS": "off", **_as_environment(settings)}
        values = {**self.environment(database_url, checkout), **values}
        async with self.process(["-m", "service_kit", "serve", service], values, checkout) as server:
            yield server

    def environment(self, database_url: str, checkout: Path = ROOT) -> dict[str, str]:
        """The environment variables that a service of the checkout requires: it rejects those that it does not know."""
        known = generated() & generated(checkout / EXAMPLE.name)
        return {
            **{name: self.shop.settings[name] for name in known},
            **PLAINTEXT,
            "ENV_FILE": os.devnull,
            "ENVIRONMENT": "production",
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "PUBLIC_ISSUER": tokens.ISSUER,
            "PLAIN_HTTP_HOSTS": ISSUER_HOST,
            "JWKS_URL": "http://127.0.0.1:1/",
            "DATABASE_URL": database_url,
        }

    @asynccontextmanager
    async def process(
        self, arguments: list[str], environment: dict[str, str], checkout: Path = ROOT
    ) -> AsyncIterator["Server"]:
        """A Python process that serves `/health/ready` on the port in PORT."""
        [port] = ports.lease()
        log = self.shop.layout.logs / f"{port}.log"
        usual = {
            "ENV_FILE": os.devnull,
            "PORT": str(port),
            "OPERATIONS_PORT": "0",
            "PYTHONUNBUFFERED": "1",
            "PATH": os.environ["PATH"],
        }
        with log.open("wb") as output:
            started = time.perf_counter()
            process = subprocess.Popen(
                [python_of(checkout), *arguments],
                cwd=checkout,
                env={**usual, **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            await _until_ready(process, port, log)
            yield Server(port, process.pid, time.perf_counter() - started, log)
        finally:
            with suppress(psutil.NoSuchProcess):
                kill_tree(process.pid)
            process.wait()
            ports.release([port])


def _as_environment(settings: dict[str, Any]) -> dict[str, str]:
    return {name.upper(): str(value) for name, value in settings.items()}


def python_of(checkout: Path) -> str:
    return sys.executable if checkout == ROOT else str(checkout / ".venv/bin/python")


class Server:
    """A process of a service."""

    def __init__(self, port: int, pid: int, ready_after: float, log: Path) -> None:
        self.port = port
        self.pid = pid
        self.ready_after = ready_after
        self.log = log

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def rss_mib(self) -> float:
        rss: int = psutil.Process(self.pid).memory_info().rss
        return rss / 2**20

    @property
    def private_mib(self) -> float:
        """The memory that the process does not share with others."""
        uss: int = psutil.Process(self.pid).memory_full_info().uss
        return uss / 2**20


async def _until_ready(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    async with httpx.AsyncClient(verify=False) as client:  # plain HTTP needs no certificates
        while True:
            with suppress(httpx.TransportError):
                if (await client.get(f"http://127.0.0.1:{port}/health/ready")).status_code == 200:
                    return
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"a process was not ready; the end of {log}:\n{tail(log)}")
            await asyncio.sleep(0.02)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()
