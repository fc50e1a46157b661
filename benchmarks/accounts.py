"""Accounts that order, each from a client address of its own.

There are so many that none comes near a limit on what is unpaid: the limits can be on, as they are in production, while
orders are placed by the thousand.
"""

import time
from functools import cache
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

import asyncpg

from benchmarks.stage import connected
from tests.harness import tokens

COUNT = 4000
LIMITS_ON: dict[str, Any] = {"order_limits": "on", "trusted_proxies": "127.0.0.1"}
"""Settings of the order service: the load generator is the proxy that names the clients' addresses."""
FILL = """
INSERT INTO account_status (user_id, email, name, active, erased, version, changed_at, permissions)
SELECT id, id || '@example.org', 'Ada King', true, false, 1, now(), '{}' FROM unnest($1::uuid[]) AS id
"""
FILL_CUSTOMERS = """
INSERT INTO customers (user_id, email, name, active, erased, version)
SELECT id, id || '@example.org', 'Ada King', true, false, 1 FROM unnest($1::uuid[]) AS id
"""
STOCK = "INSERT INTO stock_levels (product_id, available, version) SELECT product_id, 10000, 1 FROM catalogue_products"
SETTLE = "UPDATE orders SET status = 'paid', client_address = NULL WHERE status = 'pending'"
SETTLE_WITHOUT_LIMITS = "UPDATE orders SET status = 'paid' WHERE status = 'pending'"


class Account(NamedTuple):
    """`headers`: of each of its requests."""

    id: UUID
    address: str
    headers: dict[str, str]


@cache
def accounts() -> tuple[Account, ...]:
    """Made once in a run: to sign a token takes half a millisecond."""
    return tuple(map(_account, range(COUNT)))


def _account(number: int) -> Account:
    account_id = uuid5(NAMESPACE_URL, f"https://shop.test/accounts/{number}")
    address = f"10.0.{number // 250}.{number % 250 + 1}"
    token = tokens.token(role="User", user_id=account_id, exp=int(time.time()) + 24 * 3600)
    return Account(account_id, address, {"Authorization": f"Bearer {token}", "X-Forwarded-For": address})


async def fill_accounts(order_database: str) -> None:
    """The order service's copy of them, as `users` events would have filled it, and of the stock of its catalogue."""
    async with connected(order_database) as connection:
        ids = [account.id for account in accounts()]
        try:
            await connection.execute(FILL, ids)
        except asyncpg.UndefinedTableError:  # a version whose customers are a table of their own
            await connection.execute(FILL_CUSTOMERS, ids)
        await connection.execute(STOCK)
        await connection.execute("ANALYZE")


async def settle(order_database: str) -> None:
    """Nothing is unpaid any more. Between two measurements: in production each order is paid, or ends, soon."""
    async with connected(order_database) as connection:
        try:
            await connection.execute(SETTLE)
        except asyncpg.UndefinedColumnError:  # a version that has no limits
            await connection.execute(SETTLE_WITHOUT_LIMITS)
        await connection.execute("VACUUM (ANALYZE) orders")
