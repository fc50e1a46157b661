"""The network between the services and PostgreSQL or Kafka fails: connections are reset, slow, or half-open."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from local_stack.shop import Shop
from tests.chaos.faults.fault import Fault, Inject
from tests.chaos.proxied import ProxiedShop
from tests.harness.proxy import Proxy

DELAY = 0.2
"""Seconds of delay for each chunk, in both directions: a statement in a transaction takes a second or more."""


@asynccontextmanager
async def _broken(shop: Shop, parts: tuple[str, ...]) -> AsyncIterator[list[Proxy]]:
    assert isinstance(shop, ProxiedShop)
    proxies = [shop.proxies[name] for name in parts]
    try:
        yield proxies
    finally:
        for proxy in proxies:
            proxy.heal()


async def resets(shop: Shop, parts: tuple[str, ...], seconds: float) -> None:
    async with _broken(shop, parts) as proxies:
        for _ in range(int(seconds) + 1):
            for proxy in proxies:
                proxy.reset()
            await asyncio.sleep(1)


def _for_a_while(begin: Callable[[Proxy], None]) -> Inject:
    async def inject(shop: Shop, parts: tuple[str, ...], seconds: float) -> None:
        async with _broken(shop, parts) as proxies:
            for proxy in proxies:
                begin(proxy)
            await asyncio.sleep(seconds)

    return inject


SERVERS = ("postgres", "kafka")
FAULTS = (
    Fault("network-resets", SERVERS, resets, seconds=(1, 5)),
    Fault("network-slow", SERVERS, _for_a_while(lambda proxy: proxy.slow(DELAY)), seconds=(5, 15)),
    Fault("network-silent", SERVERS, _for_a_while(Proxy.swallow), seconds=(1, 10)),
)
