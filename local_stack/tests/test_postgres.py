from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg2
import pytest

from local_stack.errors import StackError
from local_stack.postgres import WITHOUT_DURABILITY, EmbeddedPostgres
from service_kit.database.administration import administration


@pytest.fixture
def server(server_directory: Path, free_port: int) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(server_directory / "postgres", free_port, settings=WITHOUT_DURABILITY)
    server.start()
    yield server
    server.stop()


def test_a_services_role_connects_only_to_its_own_database(server: EmbeddedPostgres) -> None:
    orders = server.create_service_database("order_service", "secret/%one")
    server.create_service_database("user_service", "two")
    with administration(orders) as cursor:
        cursor.execute("CREATE TABLE thing (id int)")
        cursor.execute("CREATE EXTENSION pg_trgm")
    for other in ("user_service", "postgres", "template1"):
        with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
            psycopg2.connect(orders.removesuffix("/order_service") + f"/{other}")


def test_a_wrong_database_password_is_rejected(server: EmbeddedPostgres) -> None:
    server.create_service_database("order_service", "right")
    for password in ("wrong", ""):
        with pytest.raises(psycopg2.OperationalError):
            psycopg2.connect(server.url("order_service", password, "order_service"))
        with pytest.raises(psycopg2.OperationalError):
            psycopg2.connect(
                host=str(server.socket_dir), port=server.port, user="postgres", password=password, passfile="/dev/null"
            )


def test_a_service_database_can_be_created_again_with_another_password(server: EmbeddedPostgres) -> None:
    with administration(server.create_service_database("order_service", "one")) as cursor:
        cursor.execute("CREATE TABLE thing (id int)")
    with administration(server.create_service_database("order_service", "two")) as cursor:
        cursor.execute("SELECT count(*) FROM thing")
        assert cursor.fetchone() == (0,)


def test_databases_can_be_created_concurrently(server: EmbeddedPostgres) -> None:
    names = [f"service_{number % 4}" for number in range(32)]  # the first 4 create one each, the others find it
    with ThreadPoolExecutor(8) as threads:
        urls = list(threads.map(lambda name: server.create_service_database(name, "one"), names))
    assert [url.rpartition("/")[2] for url in urls] == names


def test_committed_data_survives_a_kill(server: EmbeddedPostgres) -> None:
    url = server.create_service_database("order_service", "one")
    with administration(url) as cursor:
        cursor.execute("CREATE TABLE thing AS SELECT 1 AS id")
    server.kill()
    assert not server.is_running()
    server.start()
    with administration(url) as cursor:
        cursor.execute("SELECT id FROM thing")
        assert cursor.fetchall() == [(1,)]


def test_a_wrong_superuser_password_for_existing_data_is_explained(server: EmbeddedPostgres) -> None:
    server.stop()
    other = EmbeddedPostgres(server.data_dir, server.port, password="another", settings=WITHOUT_DURABILITY)
    with pytest.raises(StackError, match="POSTGRES_PASSWORD"):
        other.start()
    assert not other.is_running()
