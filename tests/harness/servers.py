"""One PostgreSQL and one Kafka for a whole test run; the first process starts them, its workers find them."""

import os
import shutil
import tempfile
import time
from pathlib import Path
from threading import Thread

from local_stack import ports
from local_stack.kafka import EmbeddedKafka, run, serves
from local_stack.postgres import FAST_AND_FORGETFUL, EmbeddedPostgres

POSTGRES = "TEST_POSTGRES_URL"
KAFKA = "TEST_KAFKA"
DIRECTORY = "TEST_RUN_DIRECTORY"


class Servers:
    """Both servers, from the start of the run to its end."""

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="online-mart-tests-"))
        self._directory.chmod(0o711)
        self._ports = ports.lease(3)
        postgres_port, kafka_port, controller_port = self._ports
        self._postgres = EmbeddedPostgres(self._directory / "postgres", postgres_port, settings=FAST_AND_FORGETFUL)
        self._kafka = EmbeddedKafka(self._directory / "kafka", kafka_port, controller_port, heap="384m")
        # Kafka takes its time; the tests that need it wait for it, the others don't.
        self._starting_kafka = Thread(target=self._kafka.start, daemon=True)

    def start(self) -> None:
        self._starting_kafka.start()
        self._postgres.start()
        os.environ[POSTGRES] = self._postgres.superuser_url
        os.environ[KAFKA] = self._kafka.bootstrap_servers
        os.environ[DIRECTORY] = str(self._directory)

    def stop(self) -> None:
        self._starting_kafka.join(timeout=90)
        self._kafka.kill()
        self._postgres.kill()
        ports.release(self._ports)
        shutil.rmtree(self._directory, ignore_errors=True)


def run_directory() -> Path:
    return Path(os.environ[DIRECTORY])


def wait_for_kafka(seconds: float = 90) -> str:
    """The broker's address, once it serves."""
    address = os.environ[KAFKA]
    deadline = time.monotonic() + seconds
    while not (ports.is_open(int(address.rpartition(":")[2])) and run(serves(address))):
        if time.monotonic() > deadline:
            raise TimeoutError(f"Kafka at {address} did not start within {seconds:.0f} s")
        time.sleep(0.1)
    return address
