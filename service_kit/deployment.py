"""Prepares a deployment's servers: `python -m service_kit topics | grow-topic | acls | database`, all repeatable."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, TypeVar

import asyncpg
import psycopg2
from aiokafka.errors import KafkaError

from contracts.topics import TOPICS
from service_kit.database.administration import create_database
from service_kit.database.sessions import Database
from service_kit.database.tls import Tls
from service_kit.messaging import administration as brokers
from service_kit.messaging.connection import KafkaConnection
from service_kit.messaging.growth import grow_topic
from service_kit.settings import BrokerSettings, DatabaseCreationSettings, MigrationSettings, given_values

T = TypeVar("T")

STARTUP_SECONDS = 120
"""How long a server may take to start before it counts as unreachable."""


class ServerUnreachable(Exception):
    """A server does not answer in time, or rejects the connection; the message quotes its error."""


def create_topics(settings: BrokerSettings) -> str:
    """Returns what was done, in a sentence. Raises: BrokerRejected, ServerUnreachable."""
    return _on_kafka(settings, brokers.create_topics, "topics created or changed")


def grow(
    name: str, partitions: int, settings: BrokerSettings, writers: Mapping[str, MigrationSettings], hold: float
) -> str:
    """Adds partitions to a topic under load. `writers`: settings of the services that write it, for their databases.

    Returns what was done, in a sentence. Raises: NotGrown, ServerUnreachable.
    """
    kafka, prefix = KafkaConnection.of(settings), settings.kafka_topic_prefix
    [topic] = [topic for topic in TOPICS if topic.name == name]

    async def act() -> float:
        databases = {
            writer: Database(own.owner_url.get_secret_value(), name="grow-topic", tls=Tls.of(own))
            for writer, own in writers.items()
        }
        return await grow_topic(kafka, prefix, topic, partitions, databases, hold=hold)

    try:
        seconds = asyncio.run(act())
    except (KafkaError, OSError, asyncpg.PostgresError) as error:
        raise ServerUnreachable(f"{name} may have as many partitions as before. Run this again: {error!r}") from error
    return f"{name} has {partitions} partitions. Its events waited for {seconds:.1f} s."


def create_acls(settings: BrokerSettings) -> str:
    """Returns what was done, in a sentence. Raises: BrokerRejected, ServerUnreachable."""
    create = partial(brokers.create_acls, principals=brokers.principals(given_values()))
    return _on_kafka(settings, create, "entries are on the access control list")


def _on_kafka(
    settings: BrokerSettings, act: Callable[[KafkaConnection, str], Coroutine[Any, Any, int]], what: str
) -> str:
    kafka = KafkaConnection.of(settings)
    server = f"Kafka at {kafka.bootstrap_servers}"
    count = _once_started(server, lambda: asyncio.run(act(kafka, settings.kafka_topic_prefix)))
    return f"{server}: {count} {what}."


def acl_arguments() -> str:
    """The access control list as lines of arguments for Kafka's own tool, `kafka-acls.sh`."""
    values = given_values()
    return "\n".join(brokers.acl_arguments(values.get("KAFKA_TOPIC_PREFIX", ""), brokers.principals(values)))


def create_service_database(service: str, settings: DatabaseCreationSettings) -> str:
    """Returns what was done, in a sentence. Raises: ServerUnreachable."""
    urls = (settings.postgres_admin_url, settings.owner_url, settings.database_url)
    admin, owner, serving = (url.get_secret_value() for url in urls)
    act = partial(create_database, admin, owner, serving, tls=Tls.of(settings))
    _once_started("PostgreSQL (POSTGRES_ADMIN_URL)", act)
    return f"{service}: its database and roles are there."


def _once_started(server: str, act: Callable[[], T]) -> T:
    """Calls `act` again while its server is still starting."""
    deadline = time.monotonic() + STARTUP_SECONDS
    while True:
        try:
            return act()
        except (psycopg2.OperationalError, KafkaError) as error:
            if not _is_starting(error) or time.monotonic() > deadline:
                raise ServerUnreachable(f"{server}: {error}".strip()) from error
        time.sleep(0.5)


def _is_starting(error: psycopg2.OperationalError | KafkaError) -> bool:
    """False when the server has answered, and rejected the name or password."""
    if isinstance(error, KafkaError):
        return bool(error.retriable)
    return "FATAL" not in str(error) or "starting up" in str(error)
