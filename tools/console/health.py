"""The state of each part: of its process, by the supervisor, and of what it reports itself."""

import asyncio
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any, Literal

import httpx

from local_stack.errors import StackError
from local_stack.parts import CONSOLE, Part
from local_stack.shop import Shop
from local_stack.supervision import State
from tools.console.scrape import Values, parse

TIMEOUT_SECONDS = 1.5

Level = Literal["ok", "warning", "down"]


@dataclass(frozen=True)
class Health:
    """`warning`: it runs, but is not ready, or has work without progress."""

    name: str
    title: str
    kind: str
    level: Level
    words: str
    process: str = ""
    url: str = ""


@dataclass(frozen=True)
class Report:
    """What a service reports. `values` is None if it gave no metrics."""

    level: Level
    words: str
    values: Values | None = None


class Reports:
    """Asks the services' operations ports, over connections that are kept."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._http = httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False, verify=False)
        self._timeouts: Counter[str] = Counter()

    async def of_service(self, name: str) -> Report:
        url = self._shop.operations_url(name)
        try:
            ready, consumers, metrics = await asyncio.gather(
                *(self._http.get(url + path) for path in ("/health/ready", "/health/consumers", "/metrics"))
            )
        except httpx.TimeoutException:
            return self._timed_out(name)
        except httpx.TransportError:
            return Report("down", "can't be reached")
        self._timeouts.pop(name, None)
        checks = _json(ready).get("checks", {"readiness": f"answered {ready.status_code}"})
        problems = [f"{what}: {outcome}" for what, outcome in checks.items() if outcome != "ok"]
        problems += _json(consumers).get("problems", [])
        values = parse(metrics.text) if metrics.is_success else None
        return Report("warning" if problems else "ok", "; ".join(problems) or "ready", values)

    async def of_other(self, part: Part) -> Report:
        """PostgreSQL, and the sandbox."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                ready = await asyncio.to_thread(self._shop.is_ready, part.name)
        except TimeoutError:
            return self._timed_out(part.name)
        except StackError as error:
            return Report("down", str(error))
        self._timeouts.pop(part.name, None)
        return Report("ok", "ready") if ready else Report("down", "can't be reached")

    async def close(self) -> None:
        await self._http.aclose()

    def _timed_out(self, name: str) -> Report:
        """One timeout may be a busy machine's; two in a row are not."""
        self._timeouts[name] += 1
        return Report("down", "does not answer") if self._timeouts[name] > 1 else Report("warning", "is slow to answer")


def _json(response: httpx.Response) -> dict[str, Any]:
    """Empty if it is no JSON object."""
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def healths(shop: Shop, states: dict[str, State], reports: dict[str, Report]) -> list[dict[str, Any]]:
    return [asdict(_health(shop, part, states.get(part.name), reports[part.name])) for part in shown(shop)]


def shown(shop: Shop) -> list[Part]:
    """Everything but the console itself: without it there is nothing to see."""
    return [part for part in shop.layout.parts if part != CONSOLE]


def _health(shop: Shop, part: Part, state: State | None, report: Report) -> Health:
    url = shop.url(part.name) if part.kind != "server" else ""
    about = {"name": part.name, "title": part.title, "kind": part.kind}
    about["url"] = f"{url}/docs" if part.kind == "service" else url
    if state is None:
        return Health(level=report.level, words=report.words, **about)
    if not state.is_up:
        return Health(level="down", words=_why_down(state), **about)
    if report.level == "down" and state.name == "STARTING":
        return Health(level="warning", words="is starting", process=state.words, **about)
    return Health(level=report.level, words=report.words, process=_uptime(state), **about)


def _why_down(state: State) -> str:
    words = {
        "STOPPED": "stopped",
        "STOPPING": "is stopping",
        "BACKOFF": "crashed; it is started again",
        "EXITED": "has ended",
    }
    return words.get(state.name, state.name.lower())


def _uptime(state: State) -> str:
    """`up 0:12:05` of supervisor's `pid 123, uptime 0:12:05`."""
    _, found, uptime = state.words.partition("uptime ")
    return f"up {uptime}" if found else ""
