"""A stream of customers at a constant rate, and a client that retries every server error."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any, Self

import httpx

from local_stack.shop import Shop
from tests.system.customers import STOCK
from tests.system.irregular import IrregularCustomers
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
        self.http.event_hooks = {"response": [self._record_unclear]}
        return self

    def is_retried(self, answer: httpx.Response) -> bool:
        return super().is_retried(answer) or answer.is_server_error

    async def _record_unclear(self, answer: httpx.Response) -> None:
        if answer.is_server_error and not super().is_retried(answer):
            name = self._names[answer.request.url.port or 80]
            text = (await answer.aread()).decode(errors="replace")
            self.unclear[f"{answer.status_code} of {name}: {text[:200]}"] += 1


class CustomerStream(IrregularCustomers):
    """Places `rate` orders a second, regardless of how long earlier ones take. A request that fails finally is recorded
    in `failures`; the other customers continue."""

    def __init__(self, world: World, rate: float) -> None:
        super().__init__(world, verified=True)
        self.failures: list[str] = []
        self._rate = rate
        self._customers: list[Person] = []

    async def prepare(self, stock: int = STOCK) -> None:
        await super().prepare(stock)
        self._customers = await self.register(CUSTOMERS)

    async def place_orders(self, enough: asyncio.Event) -> None:
        """Returns when enough orders have been placed and the last of them has been answered."""
        async with asyncio.TaskGroup() as tasks:
            for number in count():
                with suppress(TimeoutError):
                    await asyncio.wait_for(enough.wait(), 1 / self._rate)
                if enough.is_set():
                    return
                tasks.create_task(self._buy(number))
                if number % STAYS == STAYS - 1:
                    tasks.create_task(self._replace_customer(number // STAYS % CUSTOMERS))

    async def _buy(self, number: int) -> None:
        with self._recording_failures(f"order {number}"):
            await self.order(self._customers[number % CUSTOMERS], number)

    async def _replace_customer(self, place: int) -> None:
        with self._recording_failures("a new customer"):
            [self._customers[place]] = await self.register(1)

    async def _pay(self, order_id: str) -> None:
        with self._recording_failures(f"the payment of order {order_id}"):
            await super()._pay(order_id)

    async def _dispatch(self, parcel: dict[str, Any]) -> None:
        with self._recording_failures(f"the parcel {parcel['id']}"):
            await super()._dispatch(parcel)

    async def _return_goods(self, order_id: str) -> None:
        with self._recording_failures(f"the return of order {order_id}"):
            await super()._return_goods(order_id)
            return
        self._to_return.discard(order_id)  # its failure is recorded once

    @contextmanager
    def _recording_failures(self, what: str) -> Iterator[None]:
        try:
            yield
        except (AssertionError, httpx.TransportError) as error:
            self.failures.append(f"{what}: {error!r}")
