"""A service is killed at a failpoint (`service_kit/failpoints.py`): once before a step, and once after it."""

import asyncio
from pathlib import Path

from local_stack.shop import Shop
from tests.chaos.faults.fault import Fault, Inject, running
from tests.system.world import until

TARGETS: dict[str, tuple[str, ...]] = {
    "commit": ("inventory", "order"),
    "publish": ("inventory", "order"),
    "mark": ("inventory", "order"),
    "inbox": ("inventory", "order", "notification"),
    "offsets": ("inventory", "order", "notification", "product"),
    "gateway": ("order",),
    "mail": ("notification",),
}
"""The services that execute this step often while customers buy."""
REACHED_WITHIN = 60.0


def _before_and_after(step: str) -> Inject:
    async def inject(shop: Shop, parts: tuple[str, ...], seconds: float) -> None:
        [name] = parts
        for moment in ("before", "after"):
            await running(shop, name)
            await crash(shop, name, f"{step}.{moment}")

    return inject


async def crash(shop: Shop, name: str, point: str) -> None:
    """Returns when the service has reached this failpoint and was killed there."""
    failpoint = Path(shop.settings["FAILPOINTS"]) / f"{name}.{point}"
    await asyncio.to_thread(failpoint.parent.mkdir, parents=True, exist_ok=True)
    await asyncio.to_thread(failpoint.touch)

    async def died() -> bool:
        return not await asyncio.to_thread(failpoint.exists)

    try:
        await until(f"{name} dies at {point}", died, REACHED_WITHIN)
    finally:
        await asyncio.to_thread(failpoint.unlink, missing_ok=True)


FAULTS = tuple(Fault(f"crash-{step}", targets, _before_and_after(step)) for step, targets in TARGETS.items())
