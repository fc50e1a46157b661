"""The broker is killed, or is unavailable for a while."""

import asyncio

from local_stack.shop import Shop
from tests.chaos.faults.fault import Fault
from tests.chaos.faults.kills import kill


async def stop_for_a_while(shop: Shop, parts: tuple[str, ...], seconds: float) -> None:
    for name in parts:
        await asyncio.to_thread(shop.stop, name)
    try:
        await asyncio.sleep(seconds)
    finally:
        for name in parts:
            await asyncio.to_thread(shop.start, name)


FAULTS = (
    Fault("kill-broker", ("kafka",), kill),
    Fault("broker-away", ("kafka",), stop_for_a_while, seconds=(10, 30)),
)
