"""How many requests one process handles at once, and how many may wait in it (`Prefer: wait`)."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import Request

from service_kit.problems import Problem
from service_kit.settings import ServiceSettings

WAITED = "waited"
"""In the ASGI scope: the seconds for which the request waited as its client asked."""


class Overloaded(Problem, status=503, type="overloaded"):
    """There is more to do at once than this process takes on: try again in a moment."""


class Capacity:
    """Counts the requests that are handled and those that wait for something to happen.

    A request that waits costs next to nothing, so it does not count as handled, and does not keep others from being
    served. A request counts once its body is complete, so that a slow sender takes no capacity.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self.most = settings.max_requests_in_flight
        self.taken = 0
        self.waiting = 0
        self.buffered = 0
        """Bytes received of bodies that are not complete yet."""
        self.most_waiting = settings.max_requests_waiting
        self._most_buffered = settings.max_unfinished_body_bytes

    def buffer(self, count: int) -> None:
        """Counts bytes of an incomplete body. Raises: Overloaded, when all of them together are too many."""
        self.buffered += count
        if self.buffered > self._most_buffered:
            raise Overloaded(retry_after=1)


@contextmanager
def waiting(request: Request) -> Iterator[bool]:
    """Within the block the request is counted among those that wait, not among those that are handled.

    Yields False when no more may wait: then respond at once with what is known (RFC 7240 lets a server ignore a
    preference). Do not hold a database connection inside.

        with waiting(request) as may_wait:
            decided = await wait_for_decision(order_id, seconds) if may_wait else None
    """
    capacity: Capacity = request.app.state.runtime.capacity
    if capacity.waiting >= capacity.most_waiting:
        yield False
        return
    capacity.waiting += 1
    capacity.taken -= 1
    began = time.perf_counter()
    try:
        yield True
    finally:
        capacity.taken += 1
        capacity.waiting -= 1
        request.scope[WAITED] = request.scope.get(WAITED, 0.0) + time.perf_counter() - began
