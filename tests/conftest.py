"""One shop of real processes for all tests that use it; they share one test process (`xdist_group`)."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local_stack import ports
from local_stack.cli import SELLER
from local_stack.postgres import WITHOUT_DURABILITY
from local_stack.shop import Shop
from tests.harness.limits import RAISED
from tests.harness.spans import SpanReceiver, span_receiver
from tests.system.world import World

HERE = Path(__file__).parent
SETTINGS = {
    "LOG_LEVEL": "INFO",
    "LOG_FORMAT": "json",
    "KAFKA_HEAP": "384m",
    "POSTGRES_SETTINGS": " ".join(f"{name}={value}" for name, value in WITHOUT_DURABILITY.items()),
    "USER_PASSWORD_MEMORY_KIB": "1024",
    "JWKS_REFRESH_SECONDS": "5",
    "ORDER_GATEWAY_TIMEOUT_SECONDS": "3",
    **SELLER,
    **RAISED,
}
SECONDS = 300
"""Seconds for one test; the first one also starts the shop."""


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE) and "shop" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("system"))
            item.add_marker(pytest.mark.system)
            item.add_marker(pytest.mark.timeout(SECONDS))


@pytest.fixture(scope="session")
def spans() -> Iterator[SpanReceiver]:
    """Where the shop sends its spans."""
    [port] = ports.lease()
    with span_receiver(port) as receiver:
        yield receiver
    ports.release([port])


@pytest.fixture(scope="session")
def shop(request: pytest.FixtureRequest, spans: SpanReceiver) -> Iterator[Shop]:
    """One shop, shared by tests after which its books agree."""
    with new_shop(request, **spans.settings) as shop:
        yield shop


@contextmanager
def new_shop(request: pytest.FixtureRequest, **settings: str) -> Iterator[Shop]:
    """A shop in a directory outside pytest's own, which other accounts cannot access: if the tests run as root,
    PostgreSQL runs under an account of its own. The directory with the logs stays if a test fails."""
    directory = Path(tempfile.mkdtemp(prefix="online-mart-shop-"))
    directory.chmod(0o711)
    values = {**SETTINGS, "FAILPOINTS": str(directory / "crash-points"), **settings}
    shop = Shop(directory, settings=values, free_ports=True)
    try:
        shop.up()
        yield shop
    finally:
        shop.down()
        if not request.session.testsfailed:
            shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
async def world(shop: Shop) -> AsyncIterator[World]:
    async with World(shop) as world:
        yield world
