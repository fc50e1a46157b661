"""The input and the output of a load generator."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Plan:
    """The requests to send. `rate`: per second, for an open loop. `seconds`: the limit of a closed loop, if given."""

    port: int
    requests: list[bytes]
    connections: int
    rate: float | None = None
    seconds: float | None = None
    keep_bodies: bool = False


@dataclass
class Load:
    """The results. `latencies`: in seconds; `began_at`: the time of the first request, in seconds since the epoch."""

    began_at: float = 0.0
    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def ms(self, percentile: float) -> float:
        """The percentile of the latencies in milliseconds."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * percentile / 100))]
