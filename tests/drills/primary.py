"""The order service's database has a primary and a synchronous replica; the primary is killed while customers buy."""

import asyncio
import os
import shutil
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from local_stack import ports
from local_stack.postgres import HOST, SUPERUSER, EmbeddedPostgres, account, binaries
from local_stack.process import as_user
from local_stack.shop import Shop
from tests.chaos.customers import ChaosWorld
from tests.chaos.injector import DECIDED
from tests.chaos.run import PLENTY
from tests.drills.backups import own, query, wait_until_writable
from tests.drills.customers import DrillCustomers
from tests.drills.shop import use_servers
from tests.system.books import differences
from tests.system.world import until

SERVICE = "order"
TIMEOUT = 120.0


@dataclass
class Result:
    """`lost`: orders that were acknowledged and that the promoted replica lacks. Seconds from the kill: until the
    replica accepted writes, and until an order that was placed after that was decided."""

    orders: int = 0
    acknowledged_before: int = 0
    lost: int = 0
    promoted_seconds: float = 0.0
    decided_seconds: float = 0.0
    violations: list[str] = field(default_factory=list)


async def lose_primary(shop: Shop, directory: Path, before: float = 20, after: float = 20) -> Result:
    """Customers buy for `before` seconds until the primary is killed, and for `after` seconds afterwards."""
    result = Result()
    primary, replica = await asyncio.to_thread(_start_pair, shop, directory)
    try:
        use_servers(shop, SERVICE, primary, replica)
        await asyncio.to_thread(shop.restart, SERVICE)
        async with ChaosWorld(shop, TIMEOUT) as world:
            customers = DrillCustomers(world)
            await customers.prepare(stock=PLENTY)
            async with customers.fulfilling(), asyncio.TaskGroup() as tasks:
                tasks.create_task(customers.buy_for(before + after))
                await asyncio.sleep(before)
                await _fail_over(primary, replica, customers, shop, result)
            async with customers.fulfilling():
                with suppress(AssertionError):  # the check of the books names unfinished orders
                    await customers.wait_for_ends()
            found = await differences(world, customers.ledger)
            result.violations = [*map(str, found), *customers.failures]
            result.orders = len(customers.ledger.orders)
    finally:
        shop.stop(SERVICE)
        for server in (primary, replica):
            server.stop()
    return result


def _start_pair(shop: Shop, directory: Path) -> tuple[EmbeddedPostgres, EmbeddedPostgres]:
    """Two servers with a copy of the shop's data: the service moves to the first, which the second one follows."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    own(directory)
    shop.stop(SERVICE)
    primary = _copy(shop.layout.postgres, directory / "primary")
    replica = _copy(primary, directory / "replica", "--write-recovery-conf")
    # After the copy, since the replica will have no replica of its own when it is promoted.
    query(primary, "ALTER SYSTEM SET synchronous_standby_names = '*'")
    query(primary, "SELECT pg_reload_conf()")
    deadline = time.monotonic() + 30
    while query(primary, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") != 1:
        assert time.monotonic() < deadline, f"the replica does not follow. {replica.last_output()}"
        time.sleep(0.1)
    return primary, replica


def _copy(source: EmbeddedPostgres, directory: Path, *options: str) -> EmbeddedPostgres:
    command = [str(binaries() / "pg_basebackup"), "--pgdata", str(directory), "--checkpoint=fast", *options]
    address = {"PGHOST": HOST, "PGPORT": str(source.port), "PGUSER": SUPERUSER, "PGPASSWORD": source.password}
    environment = {"PATH": os.environ["PATH"], **address}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, cwd="/", **as_user(account())
    )
    assert done.returncode == 0, done.stderr
    [port] = ports.lease()
    server = EmbeddedPostgres(directory, port, password=source.password)
    server.start()
    return server


async def _fail_over(
    primary: EmbeddedPostgres, replica: EmbeddedPostgres, customers: DrillCustomers, shop: Shop, result: Result
) -> None:
    """What an operator does, or whatever watches the servers."""
    acknowledged = set(customers.ledger.orders)
    began, killed = time.monotonic(), datetime.now(UTC)
    await asyncio.to_thread(primary.kill)
    await asyncio.to_thread(query, replica, "SELECT pg_promote()")
    await asyncio.to_thread(wait_until_writable, replica)
    result.promoted_seconds = round(time.monotonic() - began, 1)
    database = await asyncpg.connect(shop.database_url(SERVICE))
    try:
        kept = {str(row["id"]) for row in await database.fetch("SELECT id FROM orders")}

        async def decided() -> object:
            return await database.fetchval(DECIDED, promoted)

        promoted = datetime.now(UTC)
        at = await until("an order is decided", decided, TIMEOUT)
    finally:
        await database.close()
    result.acknowledged_before, result.lost = len(acknowledged), len(acknowledged - kept)
    result.decided_seconds = round((at - killed).total_seconds(), 1)
