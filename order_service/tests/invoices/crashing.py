"""A process that issues invoices until it is killed, or nothing is left to issue."""

import asyncio
import multiprocessing
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from order_service.invoices import use_cases
from order_service.settings import Settings
from service_kit import failpoints
from service_kit.database import Database

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])


def start(settings: Settings, *, directory: Path, at_a_time: int) -> ForkServerProcess:
    """`directory`: of failpoints (`order.commit.before`); `at_a_time`: the requests of one transaction."""
    process = _CONTEXT.Process(target=_run, args=(settings, directory, at_a_time))
    process.start()
    return process


def _run(settings: Settings, directory: Path, at_a_time: int) -> None:
    failpoints.arm(directory, settings.service)
    asyncio.run(_issue_all(settings, at_a_time))


async def _issue_all(settings: Settings, at_a_time: int) -> None:
    database: Any = Database.of(settings)
    try:
        while await _is_left(database):
            async with database.transaction() as tx:
                await use_cases.issue(tx, settings, at_a_time)
    finally:
        await database.close()


async def _is_left(database: Database) -> bool:
    """Another process may hold the lock: then there is something left, and nothing to do yet."""
    async with database.connection() as connection:
        return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM invoice_requests)"))
