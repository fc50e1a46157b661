"""What has to be there before the services start, on any PostgreSQL and any Kafka: databases, topics, secrets."""

import secrets
import time
from collections.abc import Callable
from pathlib import Path

import psycopg2
from aiokafka.errors import KafkaError

from local_stack import environment
from local_stack.addresses import postgres_url
from local_stack.errors import StackError
from local_stack.parts import SERVICES
from local_stack.postgres import SUPERUSER, create_service_database
from local_stack.topics import create_topics
from service_kit.messaging.connection import KafkaConnection

Progress = Callable[[str], None]


def make_secrets(directory: Path, postgres_address: str) -> None:
    """One file for each secret of `.env.example` (`gateway_api_key`), and one for each service's database URL; those
    that are there stay. For containers, which share the directory as a volume and read it by `…_FILE`."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in environment.generated():
        _make_secret(directory / name.lower(), secrets.token_urlsafe(24))
    for service in SERVICES:
        password = (directory / f"{service.name}_database_password").read_text()
        url = postgres_url(service.package, password, postgres_address, service.package)
        (directory / f"{service.name}_database_url").write_text(url)


def _make_secret(file: Path, value: str) -> None:
    if not file.exists():
        draft = file.with_suffix(".draft")
        draft.write_text(value)
        draft.replace(file)


def prepare_servers(
    directory: Path, postgres_address: str, kafka: KafkaConnection, topic_prefix: str, progress: Progress
) -> None:
    """Databases with their roles and topics, with the secrets of `directory`; waits for both servers."""
    password = (directory / "postgres_password").read_text()
    superuser_url = postgres_url(SUPERUSER, password, postgres_address, "postgres")
    _patiently(lambda: psycopg2.connect(superuser_url, connect_timeout=5).close(), f"PostgreSQL at {postgres_address}")
    for service in SERVICES:
        service_password = (directory / f"{service.name}_database_password").read_text()
        create_service_database(superuser_url, service.package, service_password)
    progress(f"Databases at {postgres_address}: {', '.join(service.package for service in SERVICES)}")
    _patiently(lambda: create_topics(kafka, topic_prefix), f"Kafka at {kafka.bootstrap_servers}")
    progress(f"Topics at {kafka.bootstrap_servers}: as the contracts say")


def _patiently(act: Callable[[], object], what: str, timeout: float = 120) -> None:
    deadline = time.monotonic() + timeout
    while True:
        try:
            act()
        except (psycopg2.OperationalError, KafkaError) as error:
            if time.monotonic() > deadline:
                raise StackError(f"{what} does not answer after {timeout:.0f} s: {error}") from error
            time.sleep(1)
        else:
            return
