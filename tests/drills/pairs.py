"""A shop with two processes of each service behind a load balancer, so that they can be restarted in turn."""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Self

import httpx

from local_stack import ports
from local_stack.environment import ROOT
from local_stack.parts import SERVICES, Part, part
from local_stack.process import ChildProcess
from local_stack.shop import Shop
from tests.chaos.customers import ChaosWorld
from tests.overload.balancer import Balancer, balanced
from tests.system.world import until

REJECTED = (401, 403)


class Second:
    """The second process of a service, with the settings of the first one and other ports."""

    def __init__(self, shop: Shop, service: Part, port: int) -> None:
        self._shop = shop
        self._service = service
        self._port = port
        self._process = ChildProcess(f"{service.name}-2", shop.layout.logs / f"{service.name}-2.log")

    def start(self) -> None:
        prefix = self._service.setting_prefix
        environment = self._shop.layout.process_environment(self._service)
        environment |= {f"{prefix}_PORT": str(self._port), f"{prefix}_OPERATIONS_PORT": "0", "PYTHONPATH": str(ROOT)}
        self._process.spawn([sys.executable, "-m", *self._service.module], env=environment)

    def stop(self) -> None:
        self._process.stop()


class Pairs:
    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.ports = {service.name: port for service, port in zip(SERVICES, ports.lease(len(SERVICES)), strict=True)}
        """Of the load balancer, by service."""
        self._second_ports = dict(zip(self.ports, ports.lease(len(SERVICES)), strict=True))
        self._seconds = {name: Second(shop, part(name), port) for name, port in self._second_ports.items()}
        self._balancers: dict[str, Balancer] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        async with AsyncExitStack() as stack:
            stack.callback(ports.release, [*self.ports.values(), *self._second_ports.values()])
            for name, second in self._seconds.items():
                second.start()
                stack.push_async_callback(asyncio.to_thread, second.stop)
                behind = [self.shop.layout.port(part(name)), self._second_ports[name]]
                self._balancers[name] = await stack.enter_async_context(balanced(self.ports[name], behind))
            await asyncio.gather(*map(self._both_ready, self.ports))
            yield self

    async def roll(self, *names: str) -> None:
        """Restarts the processes of these services one after the other, with the present settings."""
        self.shop.layout.ensure_environment()
        for name in names:
            await asyncio.to_thread(self.shop.restart, name)
            await self._both_ready(name)
            await asyncio.to_thread(self._seconds[name].stop)
            self._seconds[name].start()
            await self._both_ready(name)

    async def _both_ready(self, name: str) -> None:
        async def ready() -> bool:
            return len(self._balancers[name].ready) == 2

        await until(f"both processes of {name} are ready", ready, 120)


class _Counting(httpx.AsyncHTTPTransport):
    def __init__(self, failed: Counter[str], **more: Any) -> None:
        super().__init__(**more)
        self._failed = failed

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await super().handle_async_request(request)
        except httpx.TransportError as error:
            self._failed[f"{request.method} {request.url.path}: {error!r}"] += 1
            raise


class PairedWorld(ChaosWorld):
    """Customers and staff who use the load balancers. `failed`: responses with a status of 500 or more, rejected
    tokens, and requests without a response, by what they were; `answered`: all responses."""

    def __init__(self, pairs: Pairs, timeout: float) -> None:
        super().__init__(pairs.shop, timeout)
        self.failed: Counter[str] = Counter()
        self.answered = 0
        self._pairs = pairs

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        limits = httpx.Limits(max_connections=60, max_keepalive_connections=60)
        client = httpx.AsyncClient(timeout=20, transport=_Counting(self.failed, limits=limits))
        client.event_hooks = {"response": [self._record]}
        self.http = await self._stack.enter_async_context(client)
        return self

    def url(self, service: str) -> str:
        return f"http://127.0.0.1:{self._pairs.ports[service]}"

    async def _record(self, answer: httpx.Response) -> None:
        self.answered += 1
        if answer.is_server_error or answer.status_code in REJECTED:
            await answer.aread()
            self.failed[f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text}"] += 1
