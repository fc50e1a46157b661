"""What has to be there before the services start, on any PostgreSQL and any Kafka: databases, topics, secrets."""

import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psycopg2
from aiokafka.errors import KafkaError

from local_stack import environment
from local_stack.addresses import postgres_url, serving_role
from local_stack.errors import StackError
from local_stack.parts import SERVICES
from local_stack.postgres import SUPERUSER, create_service_database
from local_stack.topics import create_topics
from service_kit.database.tls import Tls
from service_kit.messaging.connection import KafkaConnection

Progress = Callable[[str], None]


# What each container of docker-compose.yml is given, and nothing else.
HANDED_OUT: Mapping[str, tuple[str, ...]] = {
    "postgres": ("postgres_password",),
    "setup": (
        "postgres_password",
        *(f"{service.name}_database_password" for service in SERVICES),
        *(f"{service.name}_database_serving_password" for service in SERVICES),
    ),
    "gateway": ("gateway_api_key", "gateway_webhook_secret"),
    "demo": ("order_database_url", *environment.ACCOUNT_PASSWORDS),
    **{f"{each.name}-migration": (f"{each.name}_database_owner_url", f"{each.name}_database_url") for each in SERVICES},
    "user": ("user_database_url", "user_key_encryption_secret", "user_first_admin_password"),
    "product": ("product_database_url",),
    "inventory": ("inventory_database_url",),
    "order": ("order_database_url", "gateway_api_key", "gateway_webhook_secret"),
    "notification": ("notification_database_url",),
}


def make_secrets(directory: Path, postgres_address: str) -> None:
    """One file for each secret of `.env.example` (`gateway_api_key`), and two for each service's database; those that
    are there stay. For containers, which read them by `…_FILE`: `of/order` has the order service's alone."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in environment.generated():
        _make_secret(directory / name.lower(), secrets.token_urlsafe(24))
    for service in SERVICES:
        for role, kind, name in (
            (service.package, "password", "owner_url"),
            (serving_role(service.package), "serving_password", "url"),
        ):
            password = (directory / f"{service.name}_database_{kind}").read_text()
            url = postgres_url(role, password, postgres_address, service.package)
            (directory / f"{service.name}_database_{name}").write_text(url)
    for container, names in HANDED_OUT.items():
        own = directory / "of" / container
        own.mkdir(parents=True, exist_ok=True)
        for name in names:
            (own / name).write_text((directory / name).read_text())


def _make_secret(file: Path, value: str) -> None:
    if not file.exists():
        draft = file.with_suffix(".draft")
        draft.write_text(value)
        draft.replace(file)


def prepare_servers(
    directory: Path, postgres_address: str, tls: Tls, kafka: KafkaConnection, topic_prefix: str, progress: Progress
) -> None:
    """Databases with their roles and topics, with the secrets of `directory`; waits for both servers."""
    password = (directory / "postgres_password").read_text()
    superuser_url = tls.in_url(postgres_url(SUPERUSER, password, postgres_address, "postgres"))
    _patiently(lambda: psycopg2.connect(superuser_url, connect_timeout=5).close(), f"PostgreSQL at {postgres_address}")
    for service in SERVICES:
        owner, serving = (
            (directory / f"{service.name}_database_{kind}").read_text() for kind in ("password", "serving_password")
        )
        create_service_database(superuser_url, service.package, owner, serving)
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
