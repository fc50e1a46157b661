"""One PostgreSQL and one Kafka for a test run; the main process starts them, and its workers use them."""

import os
import shutil
import tempfile
import time
from pathlib import Path
from threading import Event, Thread

from local_stack import ports
from local_stack.kafka import EmbeddedKafka, run, serves
from local_stack.postgres import WITHOUT_DURABILITY, EmbeddedPostgres
from service_kit.messaging.connection import KafkaConnection

POSTGRES = "TEST_POSTGRES_URL"
KAFKA = "TEST_KAFKA"
DIRECTORY = "TEST_RUN_DIRECTORY"


class Servers:
    """Both servers, until the end of the run. Kafka, which starts slowly, is started when the first test needs it."""

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="online-mart-tests-"))
        self._directory.chmod(0o711)
        self._ports = ports.lease(3)
        postgres_port, kafka_port, controller_port = self._ports
        self._postgres = EmbeddedPostgres(self._directory / "postgres", postgres_port, settings=WITHOUT_DURABILITY)
        self._kafka = EmbeddedKafka(self._directory / "kafka", kafka_port, controller_port, heap="384m")
        self._ending = Event()
        self._kafka_starter = Thread(target=self._start_kafka_when_asked, daemon=True)

    def start(self) -> None:
        self._postgres.start()
        os.environ[POSTGRES] = self._postgres.superuser_url
        os.environ[KAFKA] = self._kafka.bootstrap_servers
        os.environ[DIRECTORY] = str(self._directory)
        self._kafka_starter.start()

    def stop(self) -> None:
        self._ending.set()
        self._kafka_starter.join(timeout=90)
        self._kafka.kill()
        self._postgres.kill()
        ports.release(self._ports)
        shutil.rmtree(self._postgres.socket_dir, ignore_errors=True)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _start_kafka_when_asked(self) -> None:
        """Waits for a file that requests Kafka: tests may run in other processes, which end before this one."""
        while not self._ending.wait(0.1):
            if _kafka_request(self._directory).exists():
                self._kafka.start()
                return


def run_directory() -> Path:
    return Path(os.environ[DIRECTORY])


def wait_for_kafka(seconds: float = 90) -> str:
    """The address of the broker, once it runs. The first call makes the main process start it."""
    _kafka_request(run_directory()).touch()
    address = os.environ[KAFKA]
    deadline = time.monotonic() + seconds
    while not (ports.is_open(int(address.rpartition(":")[2])) and run(serves(KafkaConnection.plain(address)))):
        if time.monotonic() > deadline:
            raise TimeoutError(f"Kafka at {address} did not start within {seconds:.0f} s")
        time.sleep(0.1)
    return address


def _kafka_request(directory: Path) -> Path:
    return directory / "kafka-is-wanted"
