"""`DATABASE_TLS=verify-full` holds for each way to the database: asyncpg, SQLAlchemy over it, psycopg2 (Alembic)."""

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

Way = Callable[[str, Tls], Awaitable[object]]


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
    """A tool that takes the URL alone."""
    return await asyncio.to_thread(migrations.is_current, "product_service", tls.in_url(url)) + 1


WAYS = [hot, listener, session, migration, tool]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def proxy(empty_database: str, authority: Authority) -> AsyncIterator[tuple[TlsProxy, str]]:
    """It, and the database's URL through it; its certificate is for `localhost`, not for 127.0.0.1."""
    url = make_url(empty_database)
    assert url.port is not None
    async with tls_proxy(url.port, authority.issue("database", "localhost")) as (made, port):
        yield made, url.set(host="localhost", port=port).render_as_string(hide_password=False)


@pytest.mark.parametrize("way", WAYS)
async def test_the_server_is_reached_only_by_tls(way: Way, proxy: tuple[TlsProxy, str], authority: Authority) -> None:
    made, url = proxy
    assert await way(url, Tls("verify-full", authority.ca_file)) == 1
    assert (made.plain, made.encrypted > 0) == (0, True)


@pytest.mark.parametrize("way", WAYS)
async def test_a_certificate_that_another_authority_signed_is_rejected(
    way: Way, proxy: tuple[TlsProxy, str], tmp_path: Path
) -> None:
    another = Authority(tmp_path, "Another CA").ca_file
    with pytest.raises(Exception, match=r"(?i)certificate verify failed"):
        await way(proxy[1], Tls("verify-full", another))


@pytest.mark.parametrize("way", WAYS)
async def test_a_certificate_for_another_host_is_rejected(
    way: Way, proxy: tuple[TlsProxy, str], authority: Authority
) -> None:
    url = make_url(proxy[1]).set(host="127.0.0.1").render_as_string(hide_password=False)
    with pytest.raises(Exception, match=r"(?i)(certificate is not valid for|does not match host name)"):
        await way(url, Tls("verify-full", authority.ca_file))


@pytest.mark.parametrize("way", WAYS)
async def test_a_server_without_tls_is_rejected(way: Way, empty_database: str, authority: Authority) -> None:
    with pytest.raises(Exception, match=r"(?i)(rejected SSL upgrade|does not support SSL)"):
        await way(empty_database, Tls("verify-full", authority.ca_file))
