"""A fault: its name, its possible targets, its duration, and the function that injects it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from local_stack.parts import SERVICES
from local_stack.shop import Shop
from tests.system.world import until

Inject = Callable[[Shop, tuple[str, ...], float], Awaitable[None]]
"""Returns when the fault is over, which may be before the shop has recovered from it."""

EVERY_SERVICE = tuple(service.name for service in SERVICES)


@dataclass(frozen=True)
class Fault:
    """`at_once`: how many targets it hits at a time, and `seconds`: how long it lasts; both as (minimum, maximum)."""

    name: str
    targets: tuple[str, ...]
    inject: Inject
    at_once: tuple[int, int] = (1, 1)
    seconds: tuple[float, float] = (0, 0)


async def running(shop: Shop, name: str) -> int:
    """Its process id, as soon as it has one: the previous fault may have left it down for a moment."""

    async def pid() -> int:
        state = (await asyncio.to_thread(shop.states)).get(name)
        return state.pid if state else 0

    found: int = await until(f"{name} runs", pid)
    return found
