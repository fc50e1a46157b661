"""A run: customers and faults at the same time, then no faults until all orders are finished, then the check of the
books."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field

import asyncpg

from tests.chaos.crowd import ChaosWorld, Stream
from tests.chaos.report import Outcome
from tests.chaos.schedule import Strike
from tests.chaos.storm import Storm
from tests.system.books import differences
from tests.system.verdict import Kind, Violation
from tests.system.world import until

RATE = 4.0
"""Orders a second: a fraction of the capacity of the shop, so that it can process the backlog after a fault."""
DRAINED_WITHIN = 120.0
AGREED_WITHIN = 60.0
PLENTY = 100_000
HELD = "SELECT count(*) FROM deliveries WHERE status = 'pending'"
HELD_FOR = 60.0
"""Seconds: longer than the claim of a killed process on the e-mails that it was sending."""


@dataclass
class Run:
    """`so_far` may be read at any time. `mails_too`: also waits for e-mails that a killed process has claimed.
    `patient`: each fault waits for the recovery from the previous one. Customers buy for at least `seconds`, and until
    there are `orders` orders. Open orders must then be finished within `drained_within` seconds."""

    world: ChaosWorld
    seed: int
    plan: tuple[Strike, ...]
    seconds: float
    rate: float = RATE
    mails_too: bool = False
    patient: bool = False
    orders: int = 0
    drained_within: float = DRAINED_WITHIN
    phase: str = "preparing"
    violations: list[Violation] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.stream = Stream(self.world, self.rate)
        self.storm = Storm(self.world, self.plan, patient=self.patient)

    async def play(self) -> Outcome:
        await self.stream.prepare(stock=PLENTY)
        async with self.stream.served():
            self.phase = "faults"
            await self._break_and_sell()
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
            struck=tuple(self.storm.struck),
            violations=(*self.violations, *self._heard()),
            unclear=dict(self.world.unclear),
        )

    def _heard(self) -> list[Violation]:
        """Violations that the books do not contain: requests that failed finally, and a shop that did not recover."""
        slow = [Violation(Kind.STUCK, f"after {s.strike.kind}: {s.failed}") for s in self.storm.struck if s.failed]
        return [*slow, *(Violation(Kind.OTHER, complaint) for complaint in self.stream.complaints)]

    async def _break_and_sell(self) -> None:
        enough = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.stream.flow(enough))
            await asyncio.gather(self.storm.rage(), asyncio.sleep(self.seconds), self.stream.placed(self.orders))
            enough.set()

    async def _drain(self) -> None:
        with suppress(AssertionError):  # the check of the books names unfinished orders
            await until("all of it is up", lambda: asyncio.to_thread(self.world.shop.is_up), self.drained_within)
            await self.stream.ended(self.drained_within)
        if self.mails_too:
            await self._mailed()

    async def _mailed(self) -> None:
        """Returns when no e-mail is claimed. The check of the books names those that are due and not sent."""
        database = await asyncpg.connect(self.world.shop.database_url("notification"))

        async def nothing_held() -> bool:
            return not await database.fetchval(HELD)

        try:
            with suppress(AssertionError):
                await until("all e-mails are sent", nothing_held, HELD_FOR)
        finally:
            await database.close()
