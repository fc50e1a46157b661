"""The scenarios of `make chaos-full`; each runs in a new shop."""

from dataclasses import dataclass
from math import inf

from tests.chaos.faults import FAULTS
from tests.chaos.run import RATE
from tests.chaos.schedule import PlannedFault, schedule

SEED = 2026
TEN_MINUTES = 600.0


@dataclass(frozen=True)
class Scenario:
    """`times` faults of these kinds (default: all), each `lasting` so many seconds, if it is given; at least `orders`
    orders, `rate` a second."""

    name: str
    promise: str
    faults: tuple[str, ...]
    times: int
    lasting: float | None = None
    orders: int = 0
    rate: float = RATE

    def plan(self) -> tuple[PlannedFault, ...]:
        return schedule(SEED, inf, self.faults, self.times, self.lasting)


def _crashes() -> tuple[Scenario, ...]:
    names = [name for name in FAULTS if name.startswith("crash-")]
    words = "killed before and after: {}"
    return tuple(Scenario(name, words.format(name.removeprefix("crash-")), (name,), 20) for name in names)


ALL = (
    Scenario("kill-any", "`kill -9` of any service, 5,000 orders", ("kill-service",), 100, orders=5_000, rate=8.0),
    *_crashes(),
    Scenario("kill-broker", "`kill -9` of Kafka", ("kill-broker",), 20),
    Scenario("kill-postgres", "`kill -9` of PostgreSQL", ("kill-postgres",), 10),
    Scenario("outside", "`kill -9` of gateway and mail server", ("kill-gateway", "kill-mailbox"), 20),
    Scenario("broker-away-short", "Kafka away for 30 s", ("broker-away",), 3, lasting=30.0),
    Scenario("broker-away", "Kafka away for 10 minutes", ("broker-away",), 1, lasting=TEN_MINUTES),
    Scenario("freeze", "a process is frozen, and continues", ("freeze-service", "freeze-of-two"), 20),
    Scenario("network-resets", "connections reset", ("network-resets",), 10),
    Scenario("network-slow", "200 ms for each piece of data", ("network-slow",), 6),
    Scenario("network-silent", "connections half-open", ("network-silent",), 10),
    Scenario("long-transaction-short", "rows held for 8 to 20 s", ("long-transaction",), 6),
    Scenario("long-transaction", "rows held for 10 minutes", ("long-transaction",), 1, lasting=TEN_MINUTES),
    Scenario("restart", "each service restarted", ("restart-service",), 10),
    Scenario("mix", "all of it in turn", (), 2 * len(FAULTS)),
)
BY_NAME = {scenario.name: scenario for scenario in ALL}
