"""A process that works through the imports until it is killed, or nothing is left."""

import asyncio
import multiprocessing
import resource
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from product_service.imports import jobs
from product_service.settings import Settings
from service_kit import failpoints
from service_kit.database import Database

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])
MOST_GROWTH_KIB = 32 * 1024
"""How much a process may grow after its first batches."""
GREW = 7
"""The exit code of a process that grew more."""


def start(settings: Settings, *, directory: Path | None = None) -> ForkServerProcess:
    """`directory`: of failpoints (`product.commit.before`)."""
    process = _CONTEXT.Process(target=_run, args=(settings, directory))
    process.start()
    return process


def _run(settings: Settings, directory: Path | None) -> None:
    failpoints.arm(directory, settings.service)
    grown = asyncio.run(_store_all(settings))
    if grown > MOST_GROWTH_KIB:
        raise SystemExit(GREW)


async def _store_all(settings: Settings) -> int:
    """Returns by how many KiB the process grew after its first batches."""
    runtime: Any = _Runtime(settings)
    sizes = []
    try:
        while await _is_left(runtime.database):
            await jobs.store(runtime)
            sizes.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    finally:
        await runtime.database.close()
    return sizes[-1] - sizes[min(4, len(sizes) - 1)] if sizes else 0


async def _is_left(database: Database) -> bool:
    """Another process may hold the lock: then there is something left, and nothing to do yet."""
    async with database.connection() as connection:
        return bool(
            await connection.fetchval("SELECT EXISTS (SELECT FROM imports WHERE state IN ('queued', 'running'))")
        )


class _Runtime:
    """What the job needs of the process's runtime."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.database = Database.of(settings)

    def resource(self, _: type[Settings]) -> Settings:
        return self.settings
