"""A service is restarted under load as by a deployment: after SIGTERM it finishes its requests and events."""

import asyncio

from local_stack.shop import Shop
from tests.chaos.faults.fault import EVERY_SERVICE, Fault


async def restart(shop: Shop, parts: tuple[str, ...], seconds: float) -> None:
    for name in parts:
        await asyncio.to_thread(shop.stop, name)
        await asyncio.to_thread(shop.start, name)


FAULTS = (Fault("restart-service", EVERY_SERVICE, restart),)
