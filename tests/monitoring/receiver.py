"""Where Alertmanager sends its notifications, as to a pager."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


@dataclass(frozen=True)
class Expected:
    """An alert with at least these labels."""

    alert: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def matches(self, labels: Mapping[str, str]) -> bool:
        return labels["alertname"] == self.alert and self.labels.items() <= labels.items()

    def __str__(self) -> str:
        return " ".join([self.alert, *self.labels.values()])


@dataclass(frozen=True)
class Notice:
    """A notification about one alert, which came at the time `at` (monotonic)."""

    at: float
    receiver: str
    is_firing: bool
    labels: Mapping[str, str]


class Receiver:
    """All notifications so far, in order. `app` must be served; Alertmanager calls `/{name}` for each receiver."""

    def __init__(self) -> None:
        self.token = secrets.token_urlsafe(16)
        self.notices: list[Notice] = []
        self.app = Starlette(routes=[Route("/{name}", self._receive, methods=["POST"])])

    async def _receive(self, request: Request) -> Response:
        if not secrets.compare_digest(request.headers.get("authorization", ""), f"Bearer {self.token}"):
            return Response(status_code=401)
        at, name = time.monotonic(), request.path_params["name"]
        for alert in (await request.json())["alerts"]:
            self.notices.append(Notice(at, name, alert["status"] == "firing", alert["labels"]))
        return Response(status_code=200)

    def of(self, expected: Expected) -> list[Notice]:
        return [notice for notice in self.notices if expected.matches(notice.labels)]

    def fired(self, expected: Expected, since: float) -> Notice | None:
        """The first notification since then that it fires."""
        return next((each for each in self.of(expected) if each.is_firing and each.at >= since), None)

    def resolved(self, expected: Expected) -> float | None:
        """The time since when each alert of this kind that ever fired is resolved; None while one fires."""
        last = {frozenset(notice.labels.items()): notice for notice in self.of(expected)}.values()
        return None if any(notice.is_firing for notice in last) else max((notice.at for notice in last), default=0.0)

    def names(self, since: float, until: float) -> set[str]:
        """The names of all alerts that were reported as firing in that time."""
        return {each.labels["alertname"] for each in self.notices if each.is_firing and since <= each.at <= until}
