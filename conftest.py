"""Starts the servers of a test run, and provides fixtures for the tests of all packages."""

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from local_stack import ports
from tests.harness.databases import drop_database, new_database
from tests.harness.plans import Statements, recorded
from tests.harness.servers import Servers, run_directory, wait_for_kafka
from tests.harness.skips import pytest_runtest_makereport  # noqa: F401 (pytest calls it)

os.environ["ENV_FILE"] = os.devnull  # a test never reads the settings of the shop that runs on this machine
# The servers of a test run have no TLS, which services reject in production unless these settings allow it.
os.environ |= {"KAFKA_ALLOW_PLAINTEXT": "true", "DATABASE_ALLOW_PLAINTEXT": "true"}

# The time of an example depends on the load of the machine, so it is no criterion.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

# For logging before a service configures it. structlog's default tracebacks show all variables, which takes seconds.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)

_servers: Servers | None = None


def pytest_configure(config: pytest.Config) -> None:
    global _servers
    is_worker = hasattr(config, "workerinput")
    if not is_worker and not config.option.collectonly:
        _servers = Servers()
        _servers.start()


def pytest_unconfigure(config: pytest.Config) -> None:
    if _servers is not None:
        _servers.stop()


def pytest_collection_finish() -> None:
    """Imported modules and collected tests stay until the end, so the garbage collector need not traverse them."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def empty_database() -> Iterator[str]:
    """The URL of a database without tables."""
    url = new_database()
    yield url
    drop_database(url)


@pytest.fixture(scope="session")
def kafka() -> str:
    """The address of the broker of the test run. Each test uses topics with a prefix of its own."""
    return wait_for_kafka()


@pytest.fixture
def server_directory() -> Iterator[Path]:
    """A directory for a server that the test starts. `tmp_path` cannot be used, since other accounts cannot access it,
    and PostgreSQL runs under an account of its own if the tests run as root."""
    directory = Path(tempfile.mkdtemp(dir=run_directory()))
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def free_port() -> Iterator[int]:
    port = ports.lease()[0]
    yield port
    ports.release([port])


@pytest.fixture
def statements() -> Iterator[Statements]:
    """The SQL statements on connections that are opened after this fixture."""
    with recorded() as found:
        yield found
