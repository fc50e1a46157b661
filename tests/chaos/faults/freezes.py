"""A process is suspended (SIGSTOP), maybe in the middle of a transaction, and continues much later.

It is suspended for longer than its consumers' session and its relay's lease last: when it continues, it assumes that
it still holds both. If a second process of the same service runs, that process has taken both over meanwhile."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from local_stack import ports
from local_stack.environment import ROOT
from local_stack.parts import part
from local_stack.process import ChildProcess
from local_stack.shop import Shop
from tests.chaos.faults.fault import EVERY_SERVICE, Fault, running
from tests.system.world import until


async def freeze(shop: Shop, parts: tuple[str, ...], seconds: float) -> None:
    pids = await asyncio.gather(*(running(shop, name) for name in parts))
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(seconds)
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):  # another fault killed it
                os.kill(pid, signal.SIGCONT)


async def freeze_beside_another(shop: Shop, parts: tuple[str, ...], seconds: float) -> None:
    """The second process is stopped when the suspended one has continued: so the lease changes hands twice."""
    [name] = parts
    async with second(shop, name):
        await freeze(shop, parts, seconds)
        await until(f"{name} ready", lambda: asyncio.to_thread(shop.is_ready, name))


@asynccontextmanager
async def second(shop: Shop, name: str, operations_port: int = 0) -> AsyncIterator[None]:
    """A second process of a service that consumes and relays; its port serves only health checks."""
    service = part(name)
    [port] = ports.lease()
    prefix = service.setting_prefix
    own = {
        "PYTHONPATH": str(ROOT),
        f"{prefix}_PORT": str(port),
        f"{prefix}_OPERATIONS_PORT": str(operations_port),
        f"{prefix}_SERVICE_ROLE": "worker",
    }
    command = [sys.executable, "-m", *service.module]
    process = ChildProcess(f"A second {service.title}", shop.layout.logs / f"{name}-second.log")

    async def serves() -> bool:
        process.spawn(command, env={**shop.layout.process_environment(service), **own})  # unless it runs
        try:
            async with httpx.AsyncClient(timeout=5, verify=False) as http:
                return (await http.get(f"http://127.0.0.1:{port}/health/ready")).is_success
        except httpx.TransportError:
            return False

    try:
        await until(f"a second {name}", serves)
        yield
    finally:
        await asyncio.to_thread(process.stop)
        ports.release([port])


FAULTS = (
    Fault("freeze-service", EVERY_SERVICE, freeze, seconds=(8, 15)),
    Fault("freeze-of-two", EVERY_SERVICE, freeze_beside_another, seconds=(8, 15)),
)
