"""The serving role may change rows of its service's tables, but neither the tables nor append-only rows."""

from collections.abc import Iterator
from datetime import timedelta

import psycopg2
import psycopg2.errors
import pytest
import sqlalchemy.exc

from local_stack import ports
from local_stack.addresses import serving_role
from local_stack.parts import SERVICES
from local_stack.postgres import WITHOUT_DURABILITY, EmbeddedPostgres
from service_kit.database import migrations
from service_kit.database.administration import administration
from service_kit.database.revisions import VERSION_TABLES
from tests.harness.servers import run_directory
from tests.upgrades.dumps import restore

PACKAGES = [service.package for service in SERVICES]
DEAD_LETTER = """
INSERT INTO parked_events (event_id, topic, partition, "offset", key, type, headers, value, status)
VALUES (gen_random_uuid(), 'users', 0, 1, 'key', 'mart.x.v1', '[]', '{}', 'dead')
"""
OF_DAYS_AGO = "INSERT INTO audit_log (id, at, action) VALUES (uuidv7(), now() - make_interval(days => %(days)s), 'x')"
GRANTS = """
SELECT table_name::text, privilege_type::text FROM information_schema.role_table_grants WHERE grantee = %s ORDER BY 1, 2
"""
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    [port] = ports.lease()
    made = EmbeddedPostgres(run_directory() / f"roles-{port}", port, settings=WITHOUT_DURABILITY)
    made.start()
    yield made
    made.kill()
    ports.release([port])


def _both(server: EmbeddedPostgres, service: str) -> tuple[str, str]:
    """Migrates a new database, and returns the URLs of its owner and of its serving role."""
    owner = server.create_service_database(service, "owns", "serves")
    migrations.upgrade(service, owner, serving_role=serving_role(service))
    return owner, server.url(serving_role(service), "serves", service)


@pytest.mark.parametrize("service", PACKAGES)
def test_the_serving_role_changes_rows_and_no_tables(server: EmbeddedPostgres, service: str) -> None:
    owner, serving = _both(server, service)
    with administration(serving) as cursor:
        cursor.execute(TABLES)
        tables = [name for (name,) in cursor.fetchall()]
        assert "outbox" in tables
        for table in tables:
            cursor.execute(f"SELECT count(*) FROM {table}")
            for verb in ("TRUNCATE {}", "DROP TABLE {}", "ALTER TABLE {} ADD COLUMN more int"):
                with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                    cursor.execute(verb.format(table))
        cursor.execute("DELETE FROM outbox")
        for statement in ("CREATE TABLE mine (id int)", "CREATE TEMP TABLE mine (id int)", f"SET ROLE {service}"):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(statement)
        for table in VERSION_TABLES:
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(f"UPDATE {table} SET version_num = '9999'")
    assert migrations.is_current(service, owner, serving_role=serving_role(service))


@pytest.mark.parametrize("service", PACKAGES)
def test_the_serving_role_can_only_add_to_the_audit_log(server: EmbeddedPostgres, service: str) -> None:
    _, serving = _both(server, service)
    entry = "INSERT INTO audit_log (id, at, action) VALUES (gen_random_uuid(), now(), 'role.created')"
    with administration(serving) as cursor:
        cursor.execute(entry)
        cursor.execute("SELECT count(*) FROM audit_log")
        assert cursor.fetchone() == (1,)
        for statement in (
            "DELETE FROM audit_log",
            "UPDATE audit_log SET action = 'x'",
            "TRUNCATE audit_log",
            "ALTER TABLE audit_log DISABLE TRIGGER ALL",
            "DROP TRIGGER only_added_to ON audit_log",
            "SET session_replication_role = replica",
        ):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(statement)


@pytest.mark.parametrize("service", PACKAGES)
def test_triggers_write_the_audit_log_with_the_rights_of_the_serving_role(
    server: EmbeddedPostgres, service: str
) -> None:
    _, serving = _both(server, service)
    with administration(serving) as cursor:
        cursor.execute("""SELECT set_config('audit.actor', '{"action": "POST /x"}', false)""")
        cursor.execute(DEAD_LETTER)
        cursor.execute("DELETE FROM parked_events WHERE type = 'mart.x.v1'")
        cursor.execute("SELECT action, resource FROM audit_log WHERE changes ->> 'type' LIKE '%mart.x.v1%'")
        assert cursor.fetchall() == [("POST /x", "dead-letter")] * 2


def test_the_owner_prunes_the_audit_log(server: EmbeddedPostgres) -> None:
    """Pruning does not switch off the protection: changes are still rejected afterwards."""
    owner, serving = _both(server, "product_service")
    with administration(serving) as cursor:
        for days in (10, 800, 801):
            cursor.execute(
                f"INSERT INTO audit_log (id, at, action) VALUES (uuidv7(), now() - '{days} d'::interval, 'x')"
            )
    with pytest.raises(sqlalchemy.exc.ProgrammingError, match="must be owner"):
        migrations.prune_audit_log(serving, timedelta(days=730))
    assert migrations.prune_audit_log(owner, timedelta(days=730)) == 2
    assert migrations.prune_audit_log(owner, timedelta(days=730)) == 0
    with administration(owner) as cursor:
        cursor.execute("SELECT count(*) FROM audit_log WHERE action = 'x'")
        assert cursor.fetchone() == (1,)
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("DELETE FROM audit_log")


def test_a_role_that_owns_and_serves_keeps_working_and_the_new_role_gets_its_rights(server: EmbeddedPostgres) -> None:
    """Databases of earlier releases have one role, which owns the tables and serves requests."""
    service, serving = "inventory_service", serving_role("inventory_service")
    with administration(server.superuser_url) as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {service} WITH (FORCE)")
    owner = server.create_service_database(service, "owns")
    migrations.upgrade(service, owner)
    assert migrations.is_current(service, owner)
    server.create_service_database(service, "owns", "serves")
    assert not migrations.is_current(service, owner, serving_role=serving)
    migrations.upgrade(service, owner, serving_role=serving)
    migrations.upgrade(service, owner, serving_role=service)  # one role for both keeps its rights
    for url in (owner, server.url(serving, "serves", service)):
        with administration(url) as cursor:
            cursor.execute("DELETE FROM outbox")


@pytest.mark.parametrize("service", PACKAGES)
def test_a_database_of_an_earlier_release_gives_the_new_role_the_same_rights(
    server: EmbeddedPostgres, service: str
) -> None:
    _both(server, service)
    rights = _rights(server, service)
    with administration(server.superuser_url) as cursor:
        cursor.execute(f"DROP DATABASE {service} WITH (FORCE)")
    restore(service, server.create_service_database(service, "owns", "serves"))
    _both(server, service)
    assert _rights(server, service) == rights


def _rights(server: EmbeddedPostgres, service: str) -> list[tuple[str, str]]:
    with administration(server.url(service, "owns", service)) as cursor:
        cursor.execute(GRANTS, (serving_role(service),))
        return cursor.fetchall()


def test_the_databases_of_other_services_reject_the_role(server: EmbeddedPostgres) -> None:
    _both(server, "order_service")
    _both(server, "user_service")
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        psycopg2.connect(server.url(serving_role("order_service"), "serves", "user_service"))
