"""A service that is down reaches the pager, suppresses its tickets, and is resolved when it is back: all real but the
service."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from deploy.monitoring import alerts
from tests.harness.server import listening
from tests.monitoring.drill.bench import Watch, watching
from tests.monitoring.receiver import Expected
from tests.monitoring.scaling import scaled
from tests.monitoring.servers import PACKAGES, missing
from tests.system.world import until

DOWN = Expected("ServiceDown", {"job": "order_service"})
TARGET_DOWN = Expected("TargetDown", {"job": "order_service"})
LETTERS = Expected("DeadLetters", {"job": "order_service"})
OTHERS = Expected("ServiceDown", {"job": "user_service"})


async def _metrics(_: Request) -> PlainTextResponse:
    return PlainTextResponse("dead_letters 1\n")


@pytest.fixture
async def watch(free_port: int) -> AsyncIterator[Watch]:
    if needed := missing(*PACKAGES):
        pytest.skip(needed)
    groups = [scaled(alerts.AVAILABILITY), scaled(alerts.EVENTS)]
    async with watching({"order": [f"localhost:{free_port}"]}, groups) as made:
        yield made


async def test_a_service_goes_down_and_comes_back(watch: Watch, free_port: int) -> None:
    receiver = watch.receiver

    async def fires(expected: Expected, since: float) -> None:
        async def seen() -> object:
            return receiver.fired(expected, since)

        await until(f"{expected} fires", seen)

    async def resolved() -> bool:
        return receiver.resolved(DOWN) is not None

    app = Starlette(routes=[Route("/metrics", _metrics)])
    began = time.monotonic()
    async with AsyncExitStack() as process:
        await process.enter_async_context(listening(app, free_port))
        await asyncio.gather(fires(LETTERS, began), fires(OTHERS, began))
        await until("the service is seen", resolved)
    await fires(DOWN, time.monotonic())
    async with listening(app, free_port):
        await until("the service is seen again", resolved)
    went = {notice.labels["alertname"]: notice.receiver for notice in receiver.notices}
    assert went == {"ServiceDown": "pager", "DeadLetters": "tickets"}
    assert not receiver.fired(TARGET_DOWN, began)
