"""Metrics and detailed health are served on the operations port alone, and do not delay requests."""

import asyncio
import re
import time
from itertools import pairwise
from statistics import median
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from local_stack import ports
from service_kit.telemetry import exposition
from tests.harness.server import serving
from tests.harness.service import NEEDED, serve

SERVICES = ("user", "product", "inventory", "order", "notification")
OPERATIONS = ("/metrics", "/health/consumers")
DOCS = ("/docs", "/redoc", "/openapi.json", "/docs-assets/swagger-ui.css")
HEALTH = ("/health/live", "/health/ready")


@pytest.mark.parametrize("service", SERVICES)
async def test_metrics_and_consumer_health_are_only_on_the_operations_port(service: str) -> None:
    async with serve(f"{service}_service", **NEEDED.get(service, {})) as served:
        for path in (*OPERATIONS, *HEALTH):
            assert (await served.operations.get(path)).status_code == 200, path
        for path in OPERATIONS:
            assert (await served.anonymous.get(path)).status_code == 404, path
        for path in HEALTH:
            assert (await served.anonymous.get(path)).json() == (await served.operations.get(path)).json()
        page = await served.operations.get("/metrics", headers={"Origin": "http://shop.test"})
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in page.headers
        assert (await served.operations.get("/nowhere")).json()["type"] == "/problems/no-such-path"


@pytest.mark.parametrize("service", SERVICES)
async def test_the_pages_can_be_disabled(service: str) -> None:
    async with serve(f"{service}_service", docs=False, **NEEDED.get(service, {})) as served:
        for path in DOCS:
            assert (await served.anonymous.get(path)).status_code == 404, path
        assert "/dead-letters" in (await served.operations.get("/openapi.json")).json()["paths"]


async def test_a_process_serves_both_ports() -> None:
    [port] = ports.lease()
    try:
        settings: dict[str, Any] = {"operations_port": port, "drain_seconds": 0, **NEEDED["user"]}
        async with serving("user_service", **settings) as url, httpx.AsyncClient(verify=False) as http:
            own = f"http://127.0.0.1:{port}"
            assert (await http.get(f"{own}/health/ready")).status_code == 200
            assert (await http.get(f"{url}/metrics")).status_code == 404
            text = (await http.get(f"{own}/metrics")).text
            for name in ("app_info{", 'database_connections{pool="asyncpg"}', "http_requests_waiting", "relay_owner"):
                assert name in text, name
            assert "_created" not in text
    finally:
        ports.release([port])


async def test_a_process_does_not_start_if_its_operations_port_is_in_use(free_port: int) -> None:
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", free_port)
    async with taken:
        with pytest.raises(AssertionError, match="operations_port_not_opened"):
            async with serving("product_service", operations_port=free_port):
                pass


def many() -> CollectorRegistry:
    """A registry with as many series as a busy service has."""
    registry = CollectorRegistry()
    seconds = Histogram("seconds", "Of a request", ["route"], registry=registry)
    requests = Counter("requests", "Answers", ["route", "status"], registry=registry)
    Counter("nothing", "Was counted", ["route"], registry=registry)
    for route in range(60):
        seconds.labels(f"/things/{route}").observe(0.1)
        for status in range(200, 206):
            requests.labels(f"/things/{route}", status).inc()
    return registry


async def test_metrics_written_in_pieces_are_the_same() -> None:
    registry = many()
    assert await exposition.text(registry) == generate_latest(registry)


async def test_writing_metrics_blocks_no_requests() -> None:
    """It is measured in CPU time, so that other processes do not affect the result."""
    registry = many()
    held, at_once = [], []
    for _ in range(5):
        began = time.thread_time()
        generate_latest(registry)
        at_once.append(time.thread_time() - began)
        held.append(await _longest_turn(registry))
    assert median(held) < median(at_once) / 2


async def _longest_turn(registry: CollectorRegistry) -> float:
    """The longest time, in CPU seconds, for which another task does not run while the metrics are written."""
    turns = [time.thread_time()]
    writing = asyncio.create_task(exposition.text(registry))
    while not writing.done():
        await asyncio.sleep(0)
        turns.append(time.thread_time())
    return max(late - early for early, late in pairwise(turns))


@pytest.mark.parametrize("service", SERVICES)
async def test_every_metric_family_has_one_help_text(service: str) -> None:
    async with serve(f"{service}_service", **NEEDED.get(service, {})) as served:
        text = (await served.operations.get("/metrics")).text
        families = re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)
        assert len(families) == len(set(families)) > 20
