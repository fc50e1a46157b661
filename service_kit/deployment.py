"""Prepares a deployment's servers: `python -m service_kit topics | acls | database`. Each may run repeatedly."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

import psycopg2
from aiokafka.errors import KafkaError

from service_kit.database.administration import create_database
from service_kit.database.tls import Tls
from service_kit.messaging import administration as brokers
from service_kit.messaging.connection import KafkaConnection
from service_kit.settings import BrokerSettings, DatabaseCreationSettings, given_values

T = TypeVar("T")

STARTUP_SECONDS = 120
"""How long a server may take to start before it counts as unreachable."""


class ServerUnreachable(Exception):
    """A server does not answer in time, or refuses the connection; the message has its own words."""


def create_topics(settings: BrokerSettings) -> str:
    """Returns what was done, in a sentence. Raises: BrokerRefused, ServerUnreachable."""
    kafka = KafkaConnection.of(settings)
    count = _once_started(kafka, lambda: asyncio.run(brokers.create_topics(kafka, settings.kafka_topic_prefix)))
    return f"Kafka at {kafka.bootstrap_servers}: {count} topics created or changed."


def create_acls(settings: BrokerSettings) -> str:
    """Returns what was done, in a sentence. Raises: BrokerRefused, ServerUnreachable."""
    kafka, principals = KafkaConnection.of(settings), brokers.principals(given_values())
    prefix = settings.kafka_topic_prefix
    count = _once_started(kafka, lambda: asyncio.run(brokers.create_acls(kafka, prefix, principals)))
    return f"Kafka at {kafka.bootstrap_servers}: {count} entries are on the access control list."


def acl_arguments() -> str:
    """The access control list as lines of arguments for Kafka's own tool, `kafka-acls.sh`."""
    values = given_values()
    return "\n".join(brokers.acl_arguments(values.get("KAFKA_TOPIC_PREFIX", ""), brokers.principals(values)))


def create_service_database(service: str, settings: DatabaseCreationSettings) -> str:
    """Returns what was done, in a sentence. Raises: ServerUnreachable."""
    urls = (settings.postgres_admin_url, settings.owner_url, settings.database_url)
    admin, owner, serving = (url.get_secret_value() for url in urls)
    tls = Tls.of(settings)
    _once_started(None, lambda: create_database(admin, owner, serving, tls=tls))
    return f"{service}: its database and roles are there."


def _once_started(kafka: KafkaConnection | None, act: Callable[[], T]) -> T:
    """Calls `act` again while its server is still starting: `kafka`, else PostgreSQL."""
    deadline = time.monotonic() + STARTUP_SECONDS
    while True:
        try:
            return act()
        except (psycopg2.OperationalError, KafkaError) as error:
            if not _is_starting(error) or time.monotonic() > deadline:
                server = f"Kafka at {kafka.bootstrap_servers}" if kafka else "PostgreSQL (POSTGRES_ADMIN_URL)"
                raise ServerUnreachable(f"{server}: {error}".strip()) from error
        time.sleep(0.5)


def _is_starting(error: psycopg2.OperationalError | KafkaError) -> bool:
    """Not so when the server has answered, and refused the name or password."""
    if isinstance(error, KafkaError):
        return bool(error.retriable)
    return "FATAL" not in str(error) or "starting up" in str(error)
