"""All metrics in the format of Prometheus, written without blocking the event loop."""

import asyncio
import re
from collections.abc import Iterator

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Metric,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

SAMPLES = 50
"""The number of samples written in one turn of the event loop, which takes less than a millisecond."""
_HEAD = re.compile(rb"\A(?:# (?:HELP|TYPE) [^\n]*\n)+")

# A `_created` series for each counter and histogram would double their number, and no dashboard uses them.
disable_created_metrics()  # type: ignore[no-untyped-call]


async def text(registry: CollectorRegistry = REGISTRY) -> bytes:
    """All metrics as text, written in parts. A thread would hold the GIL, and so block the event loop, for 5 ms."""
    parts: list[bytes] = []
    for metric in registry.collect():
        for begin in range(0, len(metric.samples) or 1, SAMPLES):
            part = generate_latest(_Part(metric, metric.samples[begin : begin + SAMPLES]))
            parts.append(_HEAD.sub(b"", part) if begin else part)
            await asyncio.sleep(0)
    return b"".join(parts)


class _Part(Collector):
    """Some samples of one metric, in the shape that `generate_latest` takes."""

    def __init__(self, metric: Metric, samples: list[Sample]) -> None:
        self._part = Metric(metric.name, metric.documentation, metric.type, metric.unit)
        self._part.samples = samples

    def collect(self) -> Iterator[Metric]:
        yield self._part
