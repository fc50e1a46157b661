"""Health checks while the servers that a service depends on are down: readiness names them, and liveness stays ok."""

import asyncio

import httpx

from local_stack.parts import SERVICES
from tests.system.world import World, until

SERVERS = ("kafka", "postgres")
UNHEALTHY_WITHIN = 45.0


async def test_liveness_stays_ok_while_servers_are_down(world: World) -> None:
    shop, names = world.shop, [service.name for service in SERVICES]
    pids = {name: shop.pid(name) for name in names}

    async def all_respond(path: str, status: int) -> bool:
        answers = await asyncio.gather(*(_status(world, name, path) for name in names))
        return set(answers) == {status}

    await asyncio.gather(*(asyncio.to_thread(shop.stop, name) for name in SERVERS))
    try:
        await until("no service is ready", lambda: all_respond("ready", 503), UNHEALTHY_WITHIN)
        await until("all consumers are unhealthy", lambda: all_respond("consumers", 503), UNHEALTHY_WITHIN)
        assert await all_respond("live", 200)
    finally:
        for name in reversed(SERVERS):
            await asyncio.to_thread(shop.start, name)
    await until("the whole shop is up", lambda: asyncio.to_thread(shop.is_up))
    await until("all consumers are healthy", lambda: all_respond("consumers", 200))
    assert {name: shop.pid(name) for name in names} == pids


async def _status(world: World, name: str, path: str) -> int:
    try:
        return (await world.http.get(f"{world.operations_url(name)}/health/{path}")).status_code
    except httpx.TransportError:
        return 0
