"""`python -m service_kit topics | acls | database`, which a deployment runs before its services start."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import psycopg2
import pytest

from contracts.topics import all_topics
from local_stack.postgres import WITHOUT_DURABILITY, EmbeddedPostgres
from service_kit import __main__ as commands
from service_kit import deployment
from service_kit.database.administration import administration
from service_kit.deployment import ServerUnreachable, create_service_database
from service_kit.settings import DatabaseCreationSettings

PASSED = ("PATH", "HOME", "ENV_FILE")


def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {name: os.environ[name] for name in PASSED if name in os.environ} | settings
    command = [sys.executable, "-m", "service_kit", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_topics_are_created_once(kafka: str) -> None:
    settings = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka, "KAFKA_TOPIC_PREFIX": f"deployment-{os.getpid()}.",
        "KAFKA_ALLOW_PLAINTEXT": "true",
    }  # fmt: skip
    assert run("topics", **settings).stdout == f"Kafka at {kafka}: {len(all_topics())} topics created or changed.\n"
    assert run("topics", **settings).returncode == 0


@pytest.mark.parametrize("command", [["topics"], ["acls", "--apply"]])
def test_brokers_in_plain_text_are_rejected_in_production(command: list[str]) -> None:
    done = run(*command, KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert done.returncode == 1
    assert "KAFKA_ALLOW_PLAINTEXT" in done.stderr


def test_missing_settings_are_named() -> None:
    assert "KAFKA_BOOTSTRAP_SERVERS: Field required" in run("topics").stderr
    done = run("database", "order_service", ORDER_DATABASE_URL="postgresql://order@db/order_service")
    assert "POSTGRES_ADMIN_URL: Field required" in done.stderr
    assert done.returncode == 1


def test_the_image_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """No shell has to put SERVICE_PACKAGE into the command."""
    monkeypatch.setenv("SERVICE_PACKAGE", "order_service")
    for given, package in ((["migrate"], "order_service"), (["serve"], "order_service"), (["serve", "other"], "other")):
        monkeypatch.setattr(sys, "argv", ["service_kit", *given])
        assert commands._arguments().service == package


def test_a_command_without_a_package_is_rejected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SERVICE_PACKAGE", raising=False)
    monkeypatch.setattr(sys, "argv", ["service_kit", "migrate"])
    with pytest.raises(SystemExit):
        commands._arguments()
    assert "the following arguments are required: service" in capsys.readouterr().err


def test_the_report_of_a_recovery_is_all_that_is_on_stdout() -> None:
    """Scripts read it, and events that can't be replayed are logged meanwhile."""
    program = """
import structlog
from service_kit import __main__ as commands, recovery
def restored(*_):
    structlog.get_logger("replay").warning("event_not_replayed", token="tok_ok")
    return {"counts": {"events put back": 1}}
recovery.restored = restored
commands.main()
"""
    done = subprocess.run(
        [sys.executable, "-c", program, "restored", "product_service", "--moment", "2026-11-29T14:00:00Z"],
        capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, "ENVIRONMENT": "development", "PRODUCT_DATABASE_URL": "postgresql://nobody@nowhere/product",
             "KAFKA_BOOTSTRAP_SERVERS": "nowhere:9092", "JWKS_URL": "http://nowhere", "PUBLIC_ISSUER": "http://nowhere"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"counts": {"events put back": 1}}
    assert "event_not_replayed" in done.stderr
    assert "tok_ok" not in done.stderr


def test_the_access_control_list_names_the_services_principals() -> None:
    lines = run("acls", KAFKA_TOPIC_PREFIX="shop.", ORDER_KAFKA_SASL_USERNAME="orders").stdout.splitlines()
    assert "--add --allow-principal User:orders --operation Write --topic shop.payment_status" in lines
    assert "--add --allow-principal User:user_service --operation Write --topic shop.users" in lines


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A server for this module alone, since creating a database revokes CONNECT on the default databases, too."""
    from local_stack import ports
    from tests.harness.servers import run_directory

    [port] = ports.lease()
    made = EmbeddedPostgres(run_directory() / f"deployment-{port}", port, settings=WITHOUT_DURABILITY)
    made.start()
    yield made
    made.kill()
    ports.release([port])


def _urls(server: EmbeddedPostgres, database: str, password: str = "owns") -> dict[str, str]:
    return {
        "POSTGRES_ADMIN_URL": server.superuser_url,
        "DATABASE_OWNER_URL": server.url(f"{database}_owner", password, database),
        "DATABASE_URL": server.url(f"{database}_role", "ser/v%es", database),
        "DATABASE_ALLOW_PLAINTEXT": "true",
    }


def test_a_database_is_created_with_both_roles_and_migrates(server: EmbeddedPostgres) -> None:
    settings = _urls(server, "wares")
    for _ in range(2):
        done = run("database", "product_service", **settings)
        assert (done.stdout, done.stderr) == ("product_service: its database and roles are there.\n", "")
    assert run("migrate", "product_service", **settings).returncode == 0
    with administration(settings["DATABASE_URL"]) as cursor:
        cursor.execute("SELECT count(*) FROM products")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("DROP TABLE products")


def test_a_password_is_changed(server: EmbeddedPostgres) -> None:
    for password in ("first", "second"):
        settings = _urls(server, "changed", password)
        assert run("database", "order_service", **settings).returncode == 0
        with administration(settings["DATABASE_OWNER_URL"]) as cursor:
            cursor.execute("SELECT 1")


def test_one_role_may_own_and_serve(server: EmbeddedPostgres) -> None:
    settings = _urls(server, "single")
    del settings["DATABASE_OWNER_URL"]
    assert run("database", "order_service", **settings).returncode == 0
    with administration(settings["DATABASE_URL"]) as cursor:
        cursor.execute("CREATE TABLE thing (id int)")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("DATABASE_OWNER_URL", "postgresql://owner:x@db/another", "they name different databases"),
        ("DATABASE_URL", "postgresql://order@db/shelf", "write postgresql://role:password@host:port/database"),
    ],
)
def test_incomplete_urls_are_rejected(server: EmbeddedPostgres, name: str, value: str, words: str) -> None:
    done = run("database", "order_service", **{**_urls(server, "shelf"), name: value})
    assert done.returncode == 1
    assert words in done.stderr


def test_a_wrong_password_is_reported_at_once(server: EmbeddedPostgres) -> None:
    settings = _urls(server, "closed") | {"POSTGRES_ADMIN_URL": server.url("postgres", "wrong", "postgres")}
    done = run("database", "order_service", **settings)
    assert done.returncode == 1
    assert "PostgreSQL (POSTGRES_ADMIN_URL): " in done.stderr
    assert "password authentication failed" in done.stderr


def test_commands_wait_for_a_server_that_is_starting(
    server_directory: Path, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = EmbeddedPostgres(server_directory / "postgres", free_port, settings=WITHOUT_DURABILITY)
    values = {name.lower(): value for name, value in _urls(late, "late").items()}
    settings = DatabaseCreationSettings.model_validate(values)
    with monkeypatch.context() as patch:
        patch.setattr(deployment, "STARTUP_SECONDS", 0)
        with pytest.raises(ServerUnreachable, match="Connection refused"):
            create_service_database("order_service", settings)
    starting = Thread(target=late.start)
    starting.start()
    create_service_database("order_service", settings)
    starting.join()
    late.kill()
