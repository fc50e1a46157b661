"""The console's server, with a worker of the test instead of a shop."""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tools.console import watch
from tools.console.app import create
from tools.console.worker import Worker, WorkFailed

# Answers with the task and its arguments; `sample` with a point, and `trail` of order 7 not at all: the process ends.
WORK = """
import json, sys, time
for line in sys.stdin:
    request = json.loads(line)
    task, arguments = request["task"], request["arguments"]
    if arguments.get("number") == 7:
        sys.exit(1)
    result = {"task": task, **arguments}
    if task == "sample":
        result = {"at": time.time(), "parts": [], "points": {"lag.order": 3, "requests.p99": None}}
    if arguments.get("number") == 404:
        result = None
    answer = {"error": "no tables"} if task == "orders" else {"result": result}
    print(json.dumps({"id": request["id"], **answer}), flush=True)
"""


@pytest.fixture
def worker() -> Worker:
    return Worker([sys.executable, "-c", WORK])


@pytest.fixture
async def http(worker: Worker) -> AsyncIterator[httpx.AsyncClient]:
    app = create(worker)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as http,
    ):
        yield http


async def test_every_answer_forbids_scripts_from_elsewhere(http: httpx.AsyncClient) -> None:
    for path in ("/", "/pages/main.js", "/api/state", "/api/logs?trace_id=x", "/nowhere"):
        headers = (await http.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")
    assert (await http.get("/api/state")).headers["cache-control"] == "no-store"


@pytest.mark.parametrize("host", ["shop.example", "localhost.shop.example", "192.168.1.2:8007"])
async def test_another_host_name_is_refused(http: httpx.AsyncClient, host: str) -> None:
    assert (await http.get("/api/state", headers={"Host": host})).status_code == 400


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_pages_of_other_sites_get_nothing(http: httpx.AsyncClient, worker: Worker, site: str) -> None:
    assert (await http.get("/api/state", headers={"Sec-Fetch-Site": site})).status_code == 403
    assert not worker.is_running
    assert (await http.get("/", headers={"Sec-Fetch-Site": site})).status_code == 200, "a link to it works"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_nothing_can_be_changed(http: httpx.AsyncClient, method: str) -> None:
    for path in ("/", "/api/state", "/api/orders", "/api/orders/1/trail"):
        assert (await http.request(method, path)).status_code == 405


async def test_what_is_not_valid_is_refused_before_any_work(http: httpx.AsyncClient, worker: Worker) -> None:
    for path in ("/api/logs?trace_id=xyz", "/api/logs?trace_id=../../etc/passwd", "/api/state?after=x"):
        assert (await http.get(path)).status_code == 400
    for path in (
        "/api/orders/x/trail",
        f"/api/orders/{'9' * 5000}/trail",
        "/charts/..%2Fuplot.lock",
        "/pages/../app.py",
    ):
        assert (await http.get(path)).status_code == 404
    assert not worker.is_running


async def test_the_worker_s_answers_and_errors_are_passed_on(http: httpx.AsyncClient) -> None:
    trail = await http.get("/api/orders/100001/trail")
    assert trail.json() == {"task": "trail", "number": 100001}
    assert (await http.get("/api/orders/404/trail")).status_code == 404
    orders = await http.get("/api/orders")
    assert (orders.status_code, orders.json()) == (503, {"detail": "no tables"})


async def test_a_worker_that_ends_is_started_again(http: httpx.AsyncClient) -> None:
    ended = await http.get("/api/orders/7/trail")
    assert ended.status_code == 503
    assert "worker ended" in ended.json()["detail"]
    assert (await http.get("/api/orders/8/trail")).status_code == 200


async def test_points_are_kept_and_only_new_ones_are_sent(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "INTERVAL", 0.05)
    assert (await http.get("/api/state")).json()["latest"] is None, "it does not wait for the first sample"
    first = await _until_rows(http, 2, after=0)
    assert first["columns"] == ["lag.order", "requests.p99"]
    assert [row[1:] for row in first["rows"][:2]] == [[3, None], [3, None]]
    last = first["rows"][-1][0]
    more = await _until_rows(http, 1, after=last)
    assert all(row[0] > last for row in more["rows"])


async def test_without_a_look_nothing_is_sampled_and_the_worker_ends(
    http: httpx.AsyncClient, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("INTERVAL", 0.05), ("UNWATCHED_SECONDS", 0.3), ("WORKER_IDLE_SECONDS", 0.3)):
        monkeypatch.setattr(watch, name, seconds)
    assert not worker.is_running, "it was not started before anybody looked"
    await _until_rows(http, 2, after=0)
    async with asyncio.timeout(20):
        while worker.is_running:
            await asyncio.sleep(0.05)
    state = (await http.get("/api/state")).json()
    assert state["latest"] is None, "an old state is not shown as the current one"
    assert len(state["rows"]) >= 2, "the points of before are kept"


async def _until_rows(http: httpx.AsyncClient, count: int, after: float) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            state: dict[str, Any] = (await http.get("/api/state", params={"after": after})).json()
            if len(state["rows"]) >= count:
                return state
            await asyncio.sleep(0.02)


async def test_a_task_that_can_not_be_started_fails() -> None:
    broken = Worker([sys.executable, "-c", "raise SystemExit('no')"])
    with pytest.raises(WorkFailed, match="worker ended"):
        await broken.ask("sample")
    await broken.stop()
