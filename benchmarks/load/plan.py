"""What a load generator is told, and what it answers."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Plan:
    """What is sent where. `seconds`: closed loop ends then, if the requests haven't before."""

    port: int
    requests: list[bytes]
    connections: int
    rate: float | None = None
    seconds: float | None = None
    keep_bodies: bool = False


@dataclass
class Load:
    """What came back. `latencies`: seconds, by answer; `began_at`: the first request, by the clock."""

    began_at: float = 0.0
    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def ms(self, percentile: float) -> float:
        """The latency that so many percent stay below, in milliseconds."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * percentile / 100))]
