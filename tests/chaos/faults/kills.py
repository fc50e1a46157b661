"""`kill -9` of services, the gateway and the mail server. The supervisor restarts them."""

import asyncio

from local_stack.process import kill_tree
from local_stack.shop import Shop
from tests.chaos.faults.fault import EVERY_SERVICE, Fault, running


async def kill(shop: Shop, parts: tuple[str, ...], seconds: float) -> None:
    pids = await asyncio.gather(*(running(shop, name) for name in parts))
    await asyncio.gather(*(asyncio.to_thread(kill_tree, pid) for pid in pids))


FAULTS = (
    Fault("kill-service", EVERY_SERVICE, kill),
    Fault("kill-several", EVERY_SERVICE, kill, at_once=(2, len(EVERY_SERVICE))),
    Fault("kill-gateway", ("gateway",), kill),
    Fault("kill-mailbox", ("mailbox",), kill),
)
