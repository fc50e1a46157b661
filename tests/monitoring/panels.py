"""The queries of the dashboards, asked of a Prometheus."""

import json
from collections.abc import Collection, Iterator

from deploy.monitoring.__main__ import HERE
from tests.monitoring.servers import Prometheus
from tests.system.world import until

RATE_INTERVAL = "1m"
"""For `$__rate_interval`, which Grafana fills in."""


def panels() -> Iterator[tuple[str, str]]:
    """The title of each panel, and each of its queries."""
    for file in sorted((HERE / "dashboards").glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel.get("targets", ()):
                yield f"{file.stem}: {panel['title']}", target["expr"].replace("$__rate_interval", RATE_INTERVAL)


async def all_answered(prometheus: Prometheus, queries: Collection[str], within: float) -> None:
    """Returns when each query has had at least one series. Fails with those that had none in that time."""
    left = set(queries)

    async def none_left() -> bool:
        for query in list(left):
            if await prometheus.series(query):
                left.remove(query)
        return not left

    try:
        await until("series for each query", none_left, within)
    except AssertionError:
        raise AssertionError(f"no series within {within:.0f} s: {sorted(left)}") from None
