"""Waiting for an event with a time limit."""

import asyncio
import contextlib


async def passed(event: asyncio.Event, seconds: float) -> None:
    """Returns after so many seconds, or as soon as the event is set."""
    # Not `wait_for`: if it is woken and cancelled at the same time, it may lose the cancellation.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, seconds)):
            await event.wait()
