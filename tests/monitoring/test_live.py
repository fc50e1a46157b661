"""A real Prometheus scrapes a running shop: every panel and every rule finds the series and labels that it names."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from deploy.monitoring.external import EXTERNAL
from deploy.monitoring.rules import Alert, Recording
from local_stack.shop import Shop
from tests.monitoring.drill.bench import targets
from tests.monitoring.expressions import labels, metrics
from tests.monitoring.panels import all_answered, panels
from tests.monitoring.scaling import GROUPS
from tests.monitoring.servers import Prometheus, missing, scratch
from tests.system.world import World

ANSWERED_WITHIN = 60.0
"""Some jobs run only each half minute."""
RULES = [rule for group in GROUPS for rule in group.rules]
RECORDINGS = [rule for rule in RULES if isinstance(rule, Recording)]
RECORDED = {rule.record for rule in RECORDINGS}


@pytest.fixture
async def prometheus(shop: Shop, free_port: int) -> AsyncIterator[Prometheus]:
    if needed := missing("prometheus"):
        pytest.skip(needed)
    with scratch() as directory:
        found = Prometheus(directory, free_port, GROUPS, targets(shop))
        try:
            await asyncio.to_thread(found.start)
            yield found
        finally:
            await asyncio.to_thread(found.stop)


async def test_every_panel_rule_and_label_has_series_in_a_running_shop(world: World, prometheus: Prometheus) -> None:
    for rule in RULES:
        await prometheus.series(rule.expr)  # no error; an alert has no series while all is well
    customer = await world.customer()
    await customer.bought(await world.product(stock=1), 1)
    await world.notified_kinds(customer)

    queries = {query for _, query in panels()} | {rule.expr for rule in RECORDINGS if not metrics(rule.expr) & EXTERNAL}
    assert len(queries) > 80
    alerts = {rule.expr for rule in RULES if isinstance(rule, Alert)}
    named = {pair for query in queries | alerts for pair in labels(query)}
    ours = {f'{metric}{{{label}!=""}}' for metric, label in named if metric not in EXTERNAL | RECORDED}
    assert 'http_requests_total{status!=""}' in ours
    await all_answered(prometheus, queries | ours, ANSWERED_WITHIN)


def test_the_check_finds_what_has_no_series() -> None:
    assert set(labels('rate(orders_total{nobody="a", job=~"b|c"}[5m])')) == {
        ("orders_total", "nobody"), ("orders_total", "job"),
    }  # fmt: skip
    assert metrics("nobody_total > 1") == {"nobody_total"}


async def test_a_query_without_series_and_one_that_is_wrong_are_found(prometheus: Prometheus) -> None:
    with pytest.raises(AssertionError, match="nobody_total"):
        await all_answered(prometheus, {"vector(1)", "nobody_total"}, within=0.1)
    with pytest.raises(AssertionError, match="parse error"):
        await prometheus.series("sum(")
