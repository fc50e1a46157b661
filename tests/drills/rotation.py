"""Every secret is rotated while customers buy: two are valid at once, and processes are restarted in turn."""

import asyncio
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
from dotenv import set_key

from local_stack.addresses import postgres_url, serving_role
from local_stack.environment import ROOT
from local_stack.kafka import run
from local_stack.parts import POSTGRES, SERVICES, Part
from local_stack.shop import Shop
from service_kit.messaging.administration import create_acls, principals
from tests.chaos.run import PLENTY
from tests.drills.customers import DrillCustomers
from tests.drills.pairs import PairedWorld, Pairs
from tests.harness.secured_kafka import ADMIN, SecuredKafka, secured_kafka
from tests.system.books import differences
from tests.system.world import until

TIMEOUT = 120.0


@dataclass
class Result:
    """`requests`: responses from the first order on, of which `failed` were errors of the shop. `seconds`: from the
    first command of a rotation until no process used the former secret. `after`: orders that were placed when the
    former secrets were invalid."""

    orders: int = 0
    requests: int = 0
    failed: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    after: int = 0
    violations: list[str] = field(default_factory=list)


@contextmanager
def broker(directory: Path) -> Iterator[tuple[SecuredKafka, dict[str, str]]]:
    """A broker that requires passwords, and the settings of a shop that uses it."""
    with secured_kafka(directory, *(service.package for service in SERVICES)) as kafka:
        users = {f"{each.setting_prefix}_KAFKA_SASL_USERNAME": each.package for each in SERVICES}
        words = {f"{each.setting_prefix}_KAFKA_SASL_PASSWORD": kafka.passwords[each.package] for each in SERVICES}
        yield kafka, {
            **users, **words,
            "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_CA_FILE": str(kafka.ca_file),
            "KAFKA_SASL_USERNAME": ADMIN,
            "KAFKA_SASL_PASSWORD": kafka.passwords[ADMIN],
            "DRAIN_SECONDS": "1",
        }  # fmt: skip


async def rotate_secrets(shop: Shop, kafka: SecuredKafka, seconds: float = 10) -> Result:
    """Customers buy for `seconds` before the first rotation, after the last one, and without the former secrets."""
    result, pairs = Result(), Pairs(shop)
    secret = _Secrets(shop, kafka, pairs)
    await asyncio.to_thread(secret.prepare)
    async with pairs.running(), PairedWorld(pairs, TIMEOUT) as world:
        customers = DrillCustomers(world)
        await customers.prepare(stock=PLENTY)
        world.failed.clear()
        first = world.answered
        async with customers.fulfilling():
            async with asyncio.TaskGroup() as tasks:
                enough = asyncio.Event()
                tasks.create_task(customers.place_orders(enough))
                await asyncio.sleep(seconds)
                for name, rotate in secret.rotations.items():
                    began = time.monotonic()
                    await rotate()
                    result.seconds[name] = round(time.monotonic() - began, 1)
                await asyncio.sleep(seconds)
                result.requests, result.failed = world.answered - first, sum(world.failed.values())
                result.violations = [f"{count} × {what}" for what, count in world.failed.items()]
                before = len(customers.ledger.orders)
                await secret.revoke()
                await asyncio.sleep(seconds)
                enough.set()
            with suppress(AssertionError):  # the check of the books names unfinished orders
                await customers.wait_for_ends()
        result.orders = len(customers.ledger.orders)
        result.after = result.orders - before
        result.violations += [*map(str, await differences(world, customers.ledger)), *customers.failures]
    return result


class _Secrets:
    """The commands of docs/operations.md, in its order."""

    def __init__(self, shop: Shop, kafka: SecuredKafka, pairs: Pairs) -> None:
        self._shop = shop
        self._kafka = kafka
        self._pairs = pairs
        self.rotations = {
            "gateway": self._gateway,
            "encryption": self._encryption,
            "databases and brokers": self._databases_and_brokers,
            "signing key": self._signing_key,
        }

    def prepare(self) -> None:
        """The gateway has a second key and a second secret already, and sends webhooks to the load balancer."""
        self._grant()
        settings = self._shop.settings
        for name in ("GATEWAY_API_KEY", "GATEWAY_WEBHOOK_SECRET"):
            self._set(**{f"ORDER_{name}": settings[name], f"FORMER_{name}": settings[name], name: secrets.token_hex()})
        webhooks = f"http://127.0.0.1:{self._pairs.ports['order']}/payments/webhooks/sandbox"
        self._set(GATEWAY_WEBHOOK_URL=webhooks)
        for name in ("gateway", "order"):
            self._shop.restart(name)

    async def _gateway(self) -> None:
        settings = self._shop.settings
        self._set(
            ORDER_GATEWAY_API_KEY=settings["GATEWAY_API_KEY"],
            ORDER_GATEWAY_WEBHOOK_SECRET=settings["GATEWAY_WEBHOOK_SECRET"],
        )
        await self._pairs.roll("order")

    async def _encryption(self) -> None:
        """All processes can decrypt with the new secret before the first one encrypts with it."""
        old, new = self._shop.settings["USER_KEY_ENCRYPTION_SECRET"], secrets.token_urlsafe(32)
        for present, former in ((old, new), (new, old)):
            self._set(USER_KEY_ENCRYPTION_SECRET=present, USER_FORMER_KEY_ENCRYPTION_SECRET=former)
            await self._pairs.roll("user")
        await self._command(SERVICES[0], "user_service", "encrypt-again")
        self._set(USER_FORMER_KEY_ENCRYPTION_SECRET="")
        await self._pairs.roll("user")

    async def _databases_and_brokers(self) -> None:
        for service in SERVICES:
            await self._second_role(service)
            await self._second_user(service)
        await asyncio.to_thread(self._grant)
        await self._pairs.roll(*(service.name for service in SERVICES))

    def _grant(self) -> None:
        run(create_acls(self._kafka.connection(ADMIN), "", principals(self._shop.settings)))

    async def _second_role(self, service: Part) -> None:
        """Another role to serve with; and a new password for the owner of the tables, with which nothing runs."""
        server = f"127.0.0.1:{self._shop.layout.port(POSTGRES)}"
        package, prefix = service.package, service.setting_prefix
        serving = postgres_url(f"{package}_serving_b", secrets.token_hex(), server, package)
        owner = postgres_url(package, secrets.token_hex(), server, package)
        urls = {f"{prefix}_DATABASE_URL": serving, f"{prefix}_DATABASE_OWNER_URL": owner}
        admin = {"POSTGRES_ADMIN_URL": self._shop.layout.postgres.superuser_url}
        await self._command(service, "service_kit", "database", package, **urls, **admin)
        await self._command(service, "service_kit", "migrate", package, **urls)
        self._set(**urls)

    async def _second_user(self, service: Part) -> None:
        name, password = f"{service.package}_b", secrets.token_hex()
        await asyncio.to_thread(self._kafka.broker.set_password, name, password, self._kafka.admin_file)
        prefix = service.setting_prefix
        self._set(**{f"{prefix}_KAFKA_SASL_USERNAME": name, f"{prefix}_KAFKA_SASL_PASSWORD": password})

    async def _signing_key(self) -> None:
        """The command returns when the key is published; it signs when every service has fetched it."""
        await self._command(SERVICES[0], "user_service", "rotate-keys")
        database = await asyncpg.connect(self._shop.database_url("user"))

        async def signs() -> bool:
            return bool(await database.fetchval("SELECT max(signs_from) < now() AND count(*) > 1 FROM signing_keys"))

        try:
            await until("the new key signs", signs, TIMEOUT)
        finally:
            await database.close()

    async def revoke(self) -> None:
        """From here on, whatever still used a former secret would fail."""
        self._set(FORMER_GATEWAY_API_KEY="", FORMER_GATEWAY_WEBHOOK_SECRET="")
        await asyncio.to_thread(self._shop.restart, "gateway")
        admin = await asyncpg.connect(self._shop.layout.postgres.superuser_url)
        try:
            for service in SERVICES:
                role = serving_role(service.package)
                await admin.execute(f'ALTER ROLE "{role}" NOLOGIN')
                left = await admin.fetchval("SELECT count(*) FROM pg_stat_activity WHERE usename = $1", role)
                assert left == 0, f"{left} connections of the former role {role}"
        finally:
            await admin.close()
        for service in SERVICES:
            await asyncio.to_thread(self._kafka.broker.remove_user, service.package, self._kafka.admin_file)

    def _set(self, **settings: str) -> None:
        for name, value in settings.items():
            set_key(self._shop.layout.env_file, name, value, quote_mode="never")
        self._shop.layout.ensure_environment()

    async def _command(self, service: Part, *command: str, **settings: str) -> None:
        environment: dict[str, Any] = self._shop.layout.process_environment(service) | settings
        done = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-m", *command], cwd=ROOT, env=environment, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}:{os.linesep}{done.stdout}{done.stderr}"
