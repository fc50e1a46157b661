"""A real Prometheus scrapes a real shop: every panel and every rule gets what it asks for."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from deploy.monitoring.__main__ import HERE
from deploy.monitoring.external import EXTERNAL
from local_stack.parts import SERVICES
from local_stack.shop import Shop
from tests.monitoring.expressions import labels, metrics
from tests.system.world import World, until

READY_SECONDS = 60
SAMPLES_SECONDS = 120
"""Some rates need two samples of a job that runs each minute."""


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((HERE / "rules.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> Iterator[tuple[str, str]]:
    """Each panel's name and query."""
    for file in sorted((HERE / "dashboards").glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel.get("targets", ()):
                yield f"{file.stem}: {panel['title']}", target["expr"].replace("$__rate_interval", "1m")


class Prometheus:
    def __init__(self, url: str, client: httpx.AsyncClient) -> None:
        self._url = url
        self._client = client

    async def is_ready(self) -> bool:
        try:
            return (await self._client.get(f"{self._url}/-/ready")).is_success
        except httpx.TransportError:
            return False

    async def series(self, expr: str) -> list[dict[str, Any]]:
        answer = (await self._client.get(f"{self._url}/api/v1/query", params={"query": expr})).json()
        assert answer["status"] == "success", f"{expr}: {answer}"
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found


def configuration(shop: Shop, directory: Path) -> Path:
    """Short intervals; and no group waits for minutes until it is evaluated."""
    groups = yaml.safe_load((HERE / "rules.yaml").read_text())["groups"]
    for group in groups:
        group.pop("interval", None)
    (directory / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    address = {each.package: shop.operations_url(each.name).removeprefix("http://") for each in SERVICES}
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [
            {"job_name": package, "static_configs": [{"targets": [at]}]} for package, at in address.items()
        ],
    }
    file = directory / "prometheus.yaml"
    file.write_text(yaml.safe_dump(config))
    return file


@pytest.fixture
async def prometheus(shop: Shop, tmp_path: Path, free_port: int) -> AsyncIterator[Prometheus]:
    if not shutil.which("prometheus"):
        pytest.skip("prometheus is needed: apt-get install prometheus")
    command = [
        "prometheus", f"--config.file={configuration(shop, tmp_path)}", f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{free_port}", "--log.level=warn",
    ]  # fmt: skip
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        async with httpx.AsyncClient(verify=False) as client:
            found = Prometheus(f"http://127.0.0.1:{free_port}", client)
            await until("Prometheus is ready", found.is_ready, READY_SECONDS)
            yield found
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 30)


async def test_every_panel_and_every_rule_gets_series_from_a_running_shop(world: World, prometheus: Prometheus) -> None:
    asked = dict(panels()) | {
        f"{rule['record']} {rule.get('labels')}": rule["expr"] for rule in rules() if "record" in rule
    }
    assert len(asked) > 100
    for alert in rules():
        await prometheus.series(alert["expr"])  # no error; it has no series while all is well
    customer = await world.customer()
    product = await world.product(stock=100)

    async def unanswered() -> list[str]:
        await customer.bought(product, 1)
        answers = {name: await prometheus.series(expr) for name, expr in asked.items()}
        return [name for name, series in answers.items() if not series]

    left = await unanswered()
    deadline = asyncio.get_running_loop().time() + SAMPLES_SECONDS
    while left and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(1)  # a second's sample more
        left = await unanswered()
    assert not left


async def test_every_label_that_a_selector_names_exists(world: World, prometheus: Prometheus) -> None:
    customer = await world.customer()
    await customer.bought(await world.product(stock=1), 1)
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    exprs = [expr for _, expr in panels()] + [rule["expr"] for rule in rules()]
    wanted = {pair for expr in exprs for pair in labels(expr) if not {pair[0]} & (EXTERNAL | recorded)}
    assert ("http_requests_total", "status") in wanted

    async def missing() -> list[str]:
        selectors = [f'{metric}{{{label}!=""}}' for metric, label in wanted]
        return [each for each in selectors if not await prometheus.series(each)]

    async def all_exist() -> bool:
        return not await missing()

    try:
        await until("all labels", all_exist)
    except AssertionError:
        assert not await missing()


def test_the_check_sees_what_does_not_exist() -> None:
    assert set(labels('rate(orders_total{nobody="a", job=~"b|c"}[5m])')) == {
        ("orders_total", "nobody"), ("orders_total", "job"),
    }  # fmt: skip
    assert metrics("nobody_total > 1") == {"nobody_total"}
