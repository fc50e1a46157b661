"""`DATABASE_TLS=verify-full` applies to every client: asyncpg, SQLAlchemy with asyncpg, and psycopg2 (Alembic)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import make_url

from service_kit.database import Database, migrations
from service_kit.database.statements import Statement
from service_kit.database.tls import Tls
from service_kit.tests.database.tls_proxy import TlsProxy, tls_proxy
from tests.harness.certificates import Authority

Client = Callable[[str, Tls], Awaitable[object]]


async def hot(url: str, tls: Tls) -> object:
    database = Database(url, asyncpg_pool_size=1, tls=tls)
    try:
        async with database.connection() as connection:
            return await connection.fetchval("SELECT 1")
    finally:
        await database.close()


async def listener(url: str, tls: Tls) -> object:
    database = Database(url, tls=tls)
    connection = await database.connect()
    try:
        return await connection.fetchval("SELECT 1")
    finally:
        await connection.close()
        await database.close()


async def session(url: str, tls: Tls) -> object:
    database = Database(url, session_pool_size=1, tls=tls)
    try:
        async with database.session() as tx:
            return (await Statement("SELECT 1").fetch(tx))[0][0]
    finally:
        await database.close()


async def migration(url: str, tls: Tls) -> object:
    await asyncio.to_thread(migrations.upgrade, "product_service", url, tls=tls)
    return 1


async def tool(url: str, tls: Tls) -> object:
    """Tools outside the kit take only a URL."""
    return await asyncio.to_thread(migrations.is_current, "product_service", tls.in_url(url)) + 1


CLIENTS = [hot, listener, session, migration, tool]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def proxy(empty_database: str, authority: Authority) -> AsyncIterator[tuple[TlsProxy, str]]:
    """The proxy and a URL through it. Its certificate is valid for `localhost` but not for 127.0.0.1."""
    url = make_url(empty_database)
    assert url.port is not None
    async with tls_proxy(url.port, authority.issue("database", "localhost")) as (made, port):
        yield made, url.set(host="localhost", port=port).render_as_string(hide_password=False)


@pytest.mark.parametrize("client", CLIENTS)
async def test_every_client_connects_by_tls_alone(
    client: Client, proxy: tuple[TlsProxy, str], authority: Authority
) -> None:
    made, url = proxy
    assert await client(url, Tls("verify-full", authority.ca_file)) == 1
    assert (made.plain, made.encrypted > 0) == (0, True)


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_certificate_that_another_authority_signed_is_rejected(
    client: Client, proxy: tuple[TlsProxy, str], tmp_path: Path
) -> None:
    another = Authority(tmp_path, "Another CA").ca_file
    with pytest.raises(Exception, match=r"(?i)certificate verify failed"):
        await client(proxy[1], Tls("verify-full", another))


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_certificate_for_another_host_is_rejected(
    client: Client, proxy: tuple[TlsProxy, str], authority: Authority
) -> None:
    url = make_url(proxy[1]).set(host="127.0.0.1").render_as_string(hide_password=False)
    with pytest.raises(Exception, match=r"(?i)(certificate is not valid for|does not match host name)"):
        await client(url, Tls("verify-full", authority.ca_file))


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_server_without_tls_is_rejected(client: Client, empty_database: str, authority: Authority) -> None:
    with pytest.raises(Exception, match=r"(?i)(rejected SSL upgrade|does not support SSL)"):
        await client(empty_database, Tls("verify-full", authority.ca_file))
