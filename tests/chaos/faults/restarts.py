"""A service is restarted under load as a deployment would: asked to end, it finishes what it has in hand."""

import asyncio

from local_stack.shop import Shop
from tests.chaos.faults.fault import EVERY_SERVICE, Fault


async def restart(shop: Shop, parts: tuple[str, ...], seconds: float) -> None:
    for name in parts:
        await asyncio.to_thread(shop.stop, name)
        await asyncio.to_thread(shop.start, name)


FAULTS = (Fault("restart-service", EVERY_SERVICE, restart),)
