"""The response of `/health/consumers`."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class RelayHealth:
    """`backlog` counts to 100,000 at most. `blocked_keys`: how many keys have an event that the broker rejects."""

    owner: bool
    backlog: int
    oldest_seconds: float
    blocked_keys: int
    problem: str | None = None


@dataclass(frozen=True)
class ConsumerHealth:
    """`lag` by topic, in this process's partitions; `waiting` and `dead` count the whole service's retry queue."""

    assigned: int
    lag: dict[str, int]
    seconds_since_progress: float
    paused: str | None = None
    problem: str | None = None
    waiting: int = 0
    dead: int = 0


@dataclass(frozen=True)
class MessagingHealth:
    """`ok` is False when the broker is unreachable, or when there is work without progress.

    In a process without relay and consumers (role `api`), `broker_reachable` is None.
    """

    ok: bool
    broker_reachable: bool | None
    problems: list[str] = field(default_factory=list)
    relay: RelayHealth | None = None
    consumers: ConsumerHealth | None = None
