"""A run: customers and faults at the same time, then no faults until all orders are finished, then the check of the
books."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field

import asyncpg

from tests.chaos.customers import ChaosWorld, CustomerStream
from tests.chaos.injector import FaultInjector
from tests.chaos.report import Outcome
from tests.chaos.schedule import PlannedFault
from tests.system import prices
from tests.system.books import differences
from tests.system.verdict import Kind, Violation
from tests.system.world import until

RATE = 4.0
"""Orders a second: a fraction of the capacity of the shop, so that it can process the backlog after a fault."""
DRAINED_WITHIN = 120.0
AGREED_WITHIN = 60.0
PLENTY = 100_000
CLAIMED = "SELECT count(*) FROM deliveries WHERE status = 'pending'"
CLAIM_SECONDS = 60.0
"""Seconds: longer than the claim of a killed process on the e-mails that it was sending."""


@dataclass
class Run:
    """`so_far` may be read at any time. `wait_for_mails`: also waits for e-mails that a killed process has claimed.
    `one_at_a_time`: each fault waits for the recovery from the previous one. Customers buy for at least `seconds`, and
    until there are `orders` orders. Open orders must then be finished within `drained_within` seconds."""

    world: ChaosWorld
    seed: int
    plan: tuple[PlannedFault, ...]
    seconds: float
    rate: float = RATE
    wait_for_mails: bool = False
    one_at_a_time: bool = False
    orders: int = 0
    drained_within: float = DRAINED_WITHIN
    phase: str = "preparing"
    violations: list[Violation] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.stream = CustomerStream(self.world, self.rate)
        self.injector = FaultInjector(self.world, self.plan, one_at_a_time=self.one_at_a_time)

    async def execute(self) -> Outcome:
        self.stream.codes = await prices.configure(self.world)
        await self.stream.prepare(stock=PLENTY)
        async with self.stream.fulfilling():
            self.phase = "faults"
            await self._sell_during_faults()
            self.phase = "draining"
            await self._drain()
        self.phase = "checking"
        self.violations = await differences(self.world, self.stream.ledger, AGREED_WITHIN)
        self.phase = "done"
        return self.so_far()

    def so_far(self) -> Outcome:
        return Outcome(
            seed=self.seed,
            seconds=self.seconds,
            elapsed=time.monotonic() - self.started,
            phase=self.phase,
            orders=len(self.stream.ledger.orders),
            injected=tuple(self.injector.injected),
            violations=(*self.violations, *self._other_violations()),
            unclear=dict(self.world.unclear),
        )

    def _other_violations(self) -> list[Violation]:
        """Violations that the books do not contain: requests that failed finally, and a shop that did not recover."""
        slow = [
            Violation(Kind.STUCK, f"after {s.planned.kind}: {s.failed}") for s in self.injector.injected if s.failed
        ]
        return [*slow, *(Violation(Kind.OTHER, failure) for failure in self.stream.failures)]

    async def _sell_during_faults(self) -> None:
        enough = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.stream.place_orders(enough))
            await asyncio.gather(
                self.injector.run(), asyncio.sleep(self.seconds), self.stream.wait_for_orders(self.orders)
            )
            enough.set()

    async def _drain(self) -> None:
        with suppress(AssertionError):  # the check of the books names unfinished orders
            await until("the whole shop is up", lambda: asyncio.to_thread(self.world.shop.is_up), self.drained_within)
            await self.stream.wait_for_ends(self.drained_within)
        if self.wait_for_mails:
            await self._wait_for_mails()

    async def _wait_for_mails(self) -> None:
        """Returns when no e-mail is claimed. The check of the books names those that are due and not sent."""
        database = await asyncpg.connect(self.world.shop.database_url("notification"))

        async def nothing_claimed() -> bool:
            return not await database.fetchval(CLAIMED)

        try:
            with suppress(AssertionError):
                await until("all e-mails are sent", nothing_claimed, CLAIM_SECONDS)
        finally:
            await database.close()
