"""A stream of customers at a constant rate, and a client that retries every server error."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any, Self

import httpx

from local_stack.shop import Shop
from tests.system.crowd import STOCK
from tests.system.fickle import FickleCrowd
from tests.system.world import Person, World

CUSTOMERS = 12
STAYS = 40
"""The number of orders after which a new customer replaces an earlier one."""
TIMEOUT_SECONDS = 120.0


class ChaosWorld(World):
    """Retries every response with a status of 500 or more; `unclear` counts those without `Retry-After`."""

    def __init__(self, shop: Shop, timeout: float = TIMEOUT_SECONDS) -> None:
        super().__init__(shop, timeout=timeout)
        self.unclear: Counter[str] = Counter()
        self._names = {shop.layout.port(part): part.name for part in shop.layout.parts}

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.http.event_hooks = {"response": [self._note]}
        return self

    def bears(self, answer: httpx.Response) -> bool:
        return super().bears(answer) or answer.is_server_error

    async def _note(self, answer: httpx.Response) -> None:
        if answer.is_server_error and not super().bears(answer):
            name = self._names[answer.request.url.port or 80]
            text = (await answer.aread()).decode(errors="replace")
            self.unclear[f"{answer.status_code} of {name}: {text[:200]}"] += 1


class Stream(FickleCrowd):
    """Places `rate` orders a second, however long earlier ones take. A request that fails finally is recorded as a
    complaint; the other customers continue."""

    def __init__(self, world: World, rate: float) -> None:
        super().__init__(world, verified=True)
        self.complaints: list[str] = []
        self._rate = rate
        self._people: list[Person] = []

    async def prepare(self, stock: int = STOCK) -> None:
        await super().prepare(stock)
        self._people = await self.arrive(CUSTOMERS)

    async def flow(self, enough: asyncio.Event) -> None:
        """Returns when enough orders have been placed and the last of them has been answered."""
        async with asyncio.TaskGroup() as tasks:
            for number in count():
                with suppress(TimeoutError):
                    await asyncio.wait_for(enough.wait(), 1 / self._rate)
                if enough.is_set():
                    return
                tasks.create_task(self._buy(number))
                if number % STAYS == STAYS - 1:
                    tasks.create_task(self._take_the_place_of(number // STAYS % CUSTOMERS))

    async def _buy(self, number: int) -> None:
        with self._noted(f"order {number}"):
            await self.order(self._people[number % CUSTOMERS], number)

    async def _take_the_place_of(self, place: int) -> None:
        with self._noted("a new customer"):
            [self._people[place]] = await self.arrive(1)

    async def _pay(self, order_id: str) -> None:
        with self._noted(f"the payment of order {order_id}"):
            await super()._pay(order_id)

    async def _send(self, parcel: dict[str, Any]) -> None:
        with self._noted(f"the parcel {parcel['id']}"):
            await super()._send(parcel)

    async def _regret(self, order_id: str) -> None:
        with self._noted(f"the return of order {order_id}"):
            await super()._regret(order_id)
            return
        self._regretted.discard(order_id)  # complained of once

    @contextmanager
    def _noted(self, what: str) -> Iterator[None]:
        try:
            yield
        except (AssertionError, httpx.TransportError) as error:
            self.complaints.append(f"{what}: {error!r}")
