"""A drill: a calm time without an alert, then one fault after the other."""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from tests.monitoring.drill.bench import Bench
from tests.monitoring.drill.faults import Fault
from tests.monitoring.panels import all_answered, panels
from tests.monitoring.receiver import Expected
from tests.system.world import until

CALM_SECONDS = 90.0
ANSWERED_WITHIN = 60.0
FIRES_WITHIN, RESOLVED_WITHIN = 180.0, 180.0
TICKETS_WITHIN = 600.0
"""The longest short window is six minutes here."""
FIRING = 'count by (alertname) (count_over_time(ALERTS{{alertstate="firing"}}[{seconds}s]))'
RECEIVERS = {"page": "pager", "ticket": "tickets"}


@dataclass
class Row:
    """An alert that a fault must raise. Seconds from the fault's beginning until the receiver was notified, and from
    its end until it was notified that all is well; None: it was not."""

    expected: Expected
    fault: str
    fired: float | None = None
    resolved: float | None = None


@dataclass
class Drill:
    """`wrong`: in words, all that was not as expected. `besides`: other alerts that fired, by fault."""

    bench: Bench
    progress: Callable[[str], None]
    rows: list[Row] = field(default_factory=list)
    besides: dict[str, set[str]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    async def execute(self, parts: Iterable[Sequence[Fault]]) -> None:
        await self._stay_calm()
        for faults in parts:
            async with asyncio.TaskGroup() as tickets:
                for fault in faults:
                    await self._carry_out(fault, tickets)

    async def _stay_calm(self) -> None:
        """No alert fires, and each panel has its series, which takes a part of the time."""
        self.progress(f"Nothing may fire for {CALM_SECONDS:.0f} s, and each panel of the dashboards has series.")
        began = time.monotonic()
        try:
            await all_answered(self.bench.prometheus, {query for _, query in panels()}, ANSWERED_WITHIN)
        except AssertionError as error:
            self._note(f"panels without series: {error}")
        await asyncio.sleep(began + CALM_SECONDS - time.monotonic())
        fired = await self.bench.prometheus.series(FIRING.format(seconds=int(CALM_SECONDS)))
        names = {each["metric"]["alertname"] for each in fired} | self.bench.receiver.names(began, time.monotonic())
        if names:
            self._note(f"fired while all was well: {', '.join(sorted(names))}")

    async def _carry_out(self, fault: Fault, tickets: asyncio.TaskGroup) -> None:
        self.progress(f"{fault.name} ...")
        during, after, at_last = (
            [Row(expected, fault.name) for expected in each] for each in (fault.during, fault.after, fault.at_last)
        )
        self.rows += [*during, *after, *at_last]
        await self._resolved((*during, *after), None, RESOLVED_WITHIN)
        began = time.monotonic()
        try:
            async with fault.inject(self.bench):
                await self._fired(during, began, FIRES_WITHIN)
        except AssertionError as error:  # the fault could not be made, or not mended
            self._note(f"{fault.name}: {error}")
        ended = time.monotonic()
        await self._fired(after, began, FIRES_WITHIN)
        await self._resolved((*during, *after), ended, RESOLVED_WITHIN)
        self._compare(fault, began)
        if at_last:
            tickets.create_task(self._see_tickets(at_last, began, ended))

    async def _see_tickets(self, rows: Collection[Row], began: float, ended: float) -> None:
        await self._fired(rows, began, TICKETS_WITHIN)
        await self._resolved(rows, ended, TICKETS_WITHIN)

    async def _fired(self, rows: Iterable[Row], since: float, within: float) -> None:
        await asyncio.gather(*(self._see_firing(row, since, within) for row in rows))

    async def _see_firing(self, row: Row, since: float, within: float) -> None:
        async def fired() -> object:
            return self.bench.receiver.fired(row.expected, since)

        try:
            notice = await until(f"{row.expected} fires", fired, within)
        except AssertionError:
            states = await self.bench.prometheus.states(row.expected)
            self._note(f"{row.fault}: {row.expected} did not fire within {within:.0f} s; in Prometheus it was {states}")
            return
        row.fired = notice.at - since
        self.progress(f"  {row.expected}: fires after {row.fired:.0f} s")
        if (wanted := RECEIVERS[notice.labels["severity"]]) != notice.receiver:
            self._note(f"{row.expected} went to {notice.receiver}, not to {wanted}")

    async def _resolved(self, rows: Iterable[Row], since: float | None, within: float) -> None:
        """`since` None: before the fault, when nothing of it may fire from an earlier one."""
        await asyncio.gather(*(self._see_resolved(row, since, within) for row in rows))

    async def _see_resolved(self, row: Row, since: float | None, within: float) -> None:
        if since is not None and row.fired is None:
            return

        async def resolved() -> object:
            return self.bench.receiver.resolved(row.expected) is not None

        try:
            await until(f"{row.expected} is resolved", resolved, within)
        except AssertionError:
            self._note(f"{row.fault}: {row.expected} still fired after {within:.0f} s")
            return
        if since is not None:
            row.resolved = max(0.0, (self.bench.receiver.resolved(row.expected) or since) - since)
            self.progress(f"  {row.expected}: resolved after {row.resolved:.0f} s")

    def _compare(self, fault: Fault, began: float) -> None:
        now = time.monotonic()
        others = self.bench.receiver.names(began, now) - {each.alert for each in fault.expected}
        if others:
            self.besides[fault.name] = others
        for expected in fault.suppressed:
            if self.bench.receiver.fired(expected, began):
                self._note(f"{fault.name}: {expected} was not suppressed")

    def _note(self, wrong: str) -> None:
        self.wrong.append(wrong)
        self.progress(f"  NOT AS EXPECTED: {wrong}")
