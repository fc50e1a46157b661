"""The results of a run: a status line while it runs, figures, and a report in Markdown."""

import math
from collections import Counter, defaultdict
from dataclasses import dataclass

from tests.chaos.injector import InjectedFault
from tests.system.verdict import Kind, Violation

SHOWN = 200
"""The report lists so many violations; it counts all of them."""


@dataclass(frozen=True)
class Outcome:
    """`phase`: preparing, faults, draining, checking, done."""

    seed: int
    seconds: float
    elapsed: float
    phase: str
    orders: int
    injected: tuple[InjectedFault, ...]
    violations: tuple[Violation, ...]
    unclear: dict[str, int]

    @property
    def faults(self) -> dict[str, int]:
        return dict(sorted(Counter(injected.planned.kind for injected in self.injected).items()))

    def recoveries(self, kind: str | None = None) -> list[float]:
        """In seconds, in ascending order."""
        chosen = (injected for injected in self.injected if kind in (None, injected.planned.kind))
        return sorted(injected.recovery for injected in chosen if injected.recovery is not None)


def figures(outcome: Outcome) -> dict[str, int | dict[str, int]]:
    by_kind = Counter(violation.kind for violation in outcome.violations)
    named = (Kind.LOST, Kind.DUPLICATED, Kind.OVERSOLD, Kind.STUCK)
    return {
        "orders": outcome.orders,
        "faults": outcome.faults,
        "violations": len(outcome.violations),
        **{kind.value: by_kind[kind] for kind in named},
        "recovery_p99_s": math.ceil(percentile(outcome.recoveries(), 0.99)),
        "seed": outcome.seed,
    }


def line(outcome: Outcome) -> str:
    minutes, seconds = divmod(int(outcome.elapsed), 60)
    faults = ", ".join(f"{kind} {count}" for kind, count in outcome.faults.items()) or "none yet"
    return (
        f"{minutes}:{seconds:02d} {outcome.phase} | {outcome.orders} orders | faults: {faults} | "
        f"violations: {len(outcome.violations)}"
    )


def page(outcome: Outcome, command: str) -> str:
    """Markdown. `command` repeats the run."""
    parts = [_head(outcome, command), _faults(outcome), _violations(outcome), _timeline(outcome), _unclear(outcome)]
    return "\n\n".join(part for part in parts if part) + "\n"


def percentile(values: list[float], share: float) -> float:
    """By nearest rank, of values in ascending order; 0 of none."""
    return values[math.ceil(share * len(values)) - 1] if values else 0.0


def _head(outcome: Outcome, command: str) -> str:
    verdict = f"{len(outcome.violations)} violations" if outcome.violations else "No violation"
    within = f" in {outcome.seconds:.0f} s" if outcome.seconds else ""  # a number of faults has no planned duration
    return (
        f"# Chaos, seed {outcome.seed}\n\n{verdict}: {outcome.orders} orders, {len(outcome.injected)} faults{within}; "
        f"with start, drain and check {outcome.elapsed:.0f} s.\n\nThe same faults again: `{command}`"
    )


def _faults(outcome: Outcome) -> str:
    """Recovery: from the end of a fault until its targets are ready and an order has been accepted and decided."""
    rows = ["| fault | times | recovery: median | p99 | longest |", "|---|--:|--:|--:|--:|"]
    for kind, count in outcome.faults.items():
        times = outcome.recoveries(kind)
        shown = [f"{percentile(times, share):.1f} s" if times else "–" for share in (0.5, 0.99, 1.0)]
        rows.append(f"| {kind} | {count} | {' | '.join(shown)} |")
    return "## Faults\n\n" + "\n".join(rows)


def _violations(outcome: Outcome) -> str:
    if not outcome.violations:
        return ""
    by_kind: defaultdict[Kind, list[str]] = defaultdict(list)
    for violation in outcome.violations[:SHOWN]:
        by_kind[violation.kind].append(violation.text)
    lists = ["\n".join([f"### {kind.value}", "", *(f"- {text}" for text in by_kind[kind])]) for kind in by_kind]
    more = [f"… and {len(outcome.violations) - SHOWN} more."] if len(outcome.violations) > SHOWN else []
    return "\n\n".join(["## Violations", *lists, *more])


def _timeline(outcome: Outcome) -> str:
    rows = ["| at | fault | parts | lasted, as planned | recovery |", "|--:|---|---|--:|--:|"]
    for injected in outcome.injected:
        planned = injected.planned
        recovery = "not in time" if injected.recovery is None else f"{injected.recovery:.1f} s"
        lasted = f"{planned.seconds} s" if planned.seconds else "a moment"
        rows.append(f"| {injected.at:.1f} s | {planned.kind} | {', '.join(planned.parts)} | {lasted} | {recovery} |")
    return "## One after the other\n\n" + "\n".join(rows)


def _unclear(outcome: Outcome) -> str:
    """These are no violations, since the client retried successfully, but a response should have said when to retry."""
    if not outcome.unclear:
        return ""
    rows = [f"- {count} times {words}" for words, count in sorted(outcome.unclear.items(), key=lambda item: -item[1])]
    return "## Answers of 500 and more that did not say when to try again\n\n" + "\n".join(rows)
