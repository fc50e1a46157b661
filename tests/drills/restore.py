"""Databases are restored to a moment some seconds back, while Kafka, the gateway and the other databases are ahead."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg

from local_stack.parts import SERVICES
from local_stack.postgres import EmbeddedPostgres
from local_stack.shop import Shop
from tests.chaos.customers import ChaosWorld
from tests.chaos.run import PLENTY
from tests.drills.backups import Backups
from tests.drills.comparison import Counts, Rows, differing, lacking, read_rows
from tests.drills.customers import DrillCustomers
from tests.drills.shop import recover, use_servers
from tests.system.books import differences

TIMEOUT = 300.0
"""Seconds for which customers and staff retry a request: longer than the services are down."""
EVERY_SERVICE = tuple(service.name for service in SERVICES)


@dataclass
class Result:
    """`lacking` and `differing`: how many rows the restored databases lack, or have in another status, by table,
    compared with the databases before the restore; `…_recovered`: after the recovery. `reports`: those of the recovery,
    by service. `paid_again`, `withdrawn_again`: what only customers could do again."""

    orders: int = 0
    seconds_back: float = 0.0
    restore_seconds: float = 0.0
    recovery_seconds: float = 0.0
    down_seconds: float = 0.0
    lacking: Counts = field(default_factory=dict)
    differing: Counts = field(default_factory=dict)
    lacking_recovered: Counts = field(default_factory=dict)
    differing_recovered: Counts = field(default_factory=dict)
    reports: dict[str, Any] = field(default_factory=dict)
    paid_again: int = 0
    withdrawn_again: int = 0
    violations: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """`services`: whose databases are restored. Customers buy for `before` seconds until the moment, for `lost` seconds
    after it, and for `after` seconds when the services are back."""

    services: Sequence[str]
    before: float
    lost: float
    after: float


async def restore(shop: Shop, directory: Path, plan: Plan) -> Result:
    result = Result()
    backups = Backups(shop.layout.postgres, directory / "backups")
    await asyncio.to_thread(backups.start)
    restored: EmbeddedPostgres | None = None
    try:
        async with ChaosWorld(shop, TIMEOUT) as world:
            customers = DrillCustomers(world)
            await customers.prepare(stock=PLENTY)
            async with customers.fulfilling():
                await customers.buy_for(plan.before)
                moment = datetime.now(UTC)
                await customers.buy_for(plan.lost)
                operator = _Operator(shop, plan.services, moment, result)
                restored = await operator.restore(backups, directory / "restored")
                await operator.ask_customers(customers)
                await customers.buy_for(plan.after)
                with suppress(AssertionError):  # the check of the books names unfinished orders
                    await customers.wait_for_ends()
            found = await differences(world, customers.ledger)
            result.violations = [*map(str, found), *customers.failures]
            result.orders = len(customers.ledger.orders)
    finally:
        backups.schedule.stop()
        for service in plan.services:
            shop.stop(service)
        if restored is not None:
            restored.stop()
    return result


class _Operator:
    def __init__(self, shop: Shop, services: Sequence[str], moment: datetime, result: Result) -> None:
        self._shop = shop
        self._services = services
        self._moment = moment
        self._result = result
        self._was: Rows = {}
        self._recovered: Rows = {}

    async def restore(self, backups: Backups, directory: Path) -> EmbeddedPostgres:
        """Stops the services, restores, recovers, and starts them again."""
        result, began = self._result, time.monotonic()
        result.seconds_back = round((datetime.now(UTC) - self._moment).total_seconds(), 1)
        await asyncio.gather(*(asyncio.to_thread(self._shop.stop, service) for service in self._services))
        self._was = await read_rows(self._shop, self._services)
        server = await asyncio.to_thread(backups.restore, self._moment, directory)
        for service in self._services:
            use_servers(self._shop, service, server)
        restored = await read_rows(self._shop, self._services)
        result.lacking, result.differing = lacking(self._was, restored), differing(self._was, restored)
        result.restore_seconds = round(time.monotonic() - began, 1)
        recovering = time.monotonic()
        for service in self._services:
            result.reports[service] = await recover(self._shop, service, self._moment)
        result.recovery_seconds = round(time.monotonic() - recovering, 1)
        self._recovered = await read_rows(self._shop, self._services)
        result.lacking_recovered = lacking(self._was, self._recovered)
        result.differing_recovered = differing(self._was, self._recovered)
        for service in self._services:
            await asyncio.to_thread(self._shop.start, service)
        await asyncio.to_thread(self._shop.wait_ready, *self._services)
        result.down_seconds = round(time.monotonic() - began, 1)
        return server

    async def ask_customers(self, customers: DrillCustomers) -> None:
        """What only customers can do again: pay without the lost token, withdraw a return."""
        if "order" in self._services:
            lists: dict[str, list[str]] = self._result.reports["order"]["lists"]
            unpaid = next((ids for what, ids in lists.items() if "ask their customers" in what), [])
            self._result.paid_again = await customers.pay_again(unpaid)
            self._result.withdrawn_again = await customers.withdraw_again(await self._withdrawn())

    async def _withdrawn(self) -> list[tuple[str, str]]:
        """The orders and ids of the returns whose withdrawal was lost: it has no event."""
        now = self._recovered["returns"]
        ids = [id for id, status in self._was["returns"].items() if status == "withdrawn" and now.get(id) != status]
        database = await asyncpg.connect(self._shop.database_url("order"))
        try:
            rows = await database.fetch("SELECT order_id::text, id::text FROM returns WHERE id::text = ANY($1)", ids)
        finally:
            await database.close()
        return [(row[0], row[1]) for row in rows]
