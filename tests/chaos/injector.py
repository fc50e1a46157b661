"""Injects the scheduled faults, and measures how long the shop takes to recover from each."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg

from service_kit.database.faults import database_is_unavailable
from tests.chaos.faults import FAULTS
from tests.chaos.schedule import PAUSE, PlannedFault
from tests.system.world import World, until

RECOVERED_WITHIN = 60.0
DECIDED = """
SELECT min(h.at) FROM order_history h JOIN orders o ON o.id = h.order_id
WHERE o.created_at > $1 AND h.from_status = 'pending' AND h.to_status <> 'pending'
"""


@dataclass
class InjectedFault:
    """A fault that was injected, `at` seconds from the start. `recovery`: seconds from its end until its targets were
    ready and an order was accepted and decided; None: not yet, and `failed`: not within RECOVERED_WITHIN."""

    planned: PlannedFault
    at: float
    recovery: float | None = None
    failed: str = ""


class FaultInjector:
    """`one_at_a_time`: each fault waits until the shop has recovered from the previous one. Otherwise a repeated fault
    could hit a target that is not running."""

    def __init__(self, world: World, plan: tuple[PlannedFault, ...], *, one_at_a_time: bool = False) -> None:
        self.injected: list[InjectedFault] = []
        self._one_at_a_time = one_at_a_time
        self._world = world
        self._plan = plan

    async def run(self) -> None:
        """Returns when all faults are over and the shop has recovered from each, or has exceeded the time limit."""
        started = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for planned in self._plan:
                pause = PAUSE[0] if self.injected else 0.0
                await asyncio.sleep(max(started + planned.at - time.monotonic(), pause))
                injected = InjectedFault(planned, round(time.monotonic() - started, 1))
                self.injected.append(injected)
                try:
                    await FAULTS[planned.kind].inject(self._world.shop, planned.parts, planned.seconds)
                except AssertionError as error:  # the target stays down
                    injected.failed = str(error)
                else:
                    watching = tasks.create_task(self._watch(injected))
                    if self._one_at_a_time:
                        await watching

    async def _watch(self, injected: InjectedFault) -> None:
        ended, started = datetime.now(UTC), time.monotonic()
        within = max(RECOVERED_WITHIN, injected.planned.seconds)  # the backlog takes no longer than the fault
        try:
            for name in injected.planned.parts:
                await self._ready(name)
            ready = time.monotonic() - started
            decided: datetime = await until("an order is decided", lambda: self._decided(ended), within)
        except AssertionError as error:
            injected.failed = str(error)
            return
        injected.recovery = max(ready, (decided - ended).total_seconds())

    async def _ready(self, name: str) -> None:
        await until(f"{name} ready", lambda: asyncio.to_thread(self._world.shop.is_ready, name), RECOVERED_WITHIN)

    async def _decided(self, since: datetime) -> datetime | None:
        """None also if a later fault has stopped the database."""
        try:
            database = await asyncpg.connect(self._world.shop.database_url("order"), timeout=5)
            try:
                found: datetime | None = await database.fetchval(DECIDED, since)
            finally:
                database.terminate()
        except Exception as error:
            if not database_is_unavailable(error):
                raise
            return None
        return found
