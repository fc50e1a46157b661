"""The shop under test, and the status line."""

import asyncio
import logging
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.text import Text

from local_stack.cli import SELLER
from local_stack.shop import Shop
from tests.chaos.proxied import ProxiedShop
from tests.chaos.report import line
from tests.chaos.run import Run
from tests.harness.limits import RAISED

SETTINGS = {
    "LOG_FORMAT": "json",
    "KAFKA_HEAP": "384m",
    "USER_PASSWORD_MEMORY_KIB": "1024",
    "USER_ACCESS_TOKEN_MINUTES": "60",
    "JWKS_REFRESH_SECONDS": "5",
    "ORDER_GATEWAY_TIMEOUT_SECONDS": "3",
    "CONSOLE_PORT": "",
    **SELLER,
    **RAISED,
}
STATUS_SECONDS = 10.0
"""Seconds between two status lines in a log, which can show no line that changes."""

errors = Console(stderr=True, highlight=False, soft_wrap=True)


def prepare_process() -> None:
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it reports each broker that we killed ourselves
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as on Ctrl-C, the shop is stopped first


@contextmanager
def new_shop(directory: Path, **more: str) -> Iterator[ProxiedShop]:
    """Stops and deletes what an earlier run left, also if it was killed. The logs of this run stay. `more`: more
    settings."""
    Shop(directory).down()
    shutil.rmtree(directory, ignore_errors=True)
    settings = {**SETTINGS, "FAILPOINTS": str(directory / "crash-points"), **more}
    shop = ProxiedShop(directory, settings=settings, progress=lambda text: errors.print(text, markup=False))
    try:
        shop.up()
        yield shop
    finally:
        shop.down()


@asynccontextmanager
async def shown(run: Run) -> AsyncIterator[None]:
    """One line that changes in a terminal, or successive lines in a log."""
    with Live(console=errors, auto_refresh=False, transient=not errors.is_terminal) as live:

        async def show() -> None:
            while True:
                text = Text(line(run.so_far()))
                if errors.is_terminal:
                    live.update(text, refresh=True)
                else:
                    errors.print(text)
                await asyncio.sleep(0.5 if errors.is_terminal else STATUS_SECONDS)

        showing = asyncio.create_task(show())
        try:
            yield
        finally:
            showing.cancel()
