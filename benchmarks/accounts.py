"""Accounts that place orders, each from its own client address.

There are so many accounts that none reaches the limits on unpaid orders. So the limits can be enabled, as in
production, while thousands of orders are placed.
"""

import time
from functools import cache
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

import asyncpg

from benchmarks.stage import connected
from tests.harness import tokens

COUNT = 4000
PERMISSION = "orders:write"
"""The only one in their tokens. A customer's role has more in each release, and an earlier one, in `compare`, takes an
account with permissions that its customers have not for staff, and writes an audit log for it."""
LIMITS_ON: dict[str, Any] = {"order_limits": "on", "trusted_proxies": "127.0.0.1"}
"""Settings of the order service: the load generator acts as the trusted proxy that sends client addresses."""
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
    """An account. `headers` are sent with each of its requests."""

    id: UUID
    address: str
    headers: dict[str, str]


@cache
def accounts() -> tuple[Account, ...]:
    """Cached for the run, because signing a token takes half a millisecond."""
    return tuple(map(_account, range(COUNT)))


def _account(number: int) -> Account:
    account_id = uuid5(NAMESPACE_URL, f"https://shop.test/accounts/{number}")
    address = f"10.0.{number // 250}.{number % 250 + 1}"
    token = tokens.token(PERMISSION, user_id=account_id, exp=int(time.time()) + 24 * 3600)
    return Account(account_id, address, {"Authorization": f"Bearer {token}", "X-Forwarded-For": address})


async def fill_accounts(order_database: str) -> None:
    """Inserts the order service's copies of the accounts and of stock levels, as events would."""
    async with connected(order_database) as connection:
        ids = [account.id for account in accounts()]
        try:
            await connection.execute(FILL, ids)
        except asyncpg.UndefinedTableError:  # `compare` with an older checkout, which has a table of customers
            await connection.execute(FILL_CUSTOMERS, ids)
        await connection.execute(STOCK)
        await connection.execute("ANALYZE")


async def settle(order_database: str) -> None:
    """Marks all orders as paid between two measurements, since in production orders do not stay unpaid for long."""
    async with connected(order_database) as connection:
        try:
            await connection.execute(SETTLE)
        except asyncpg.UndefinedColumnError:  # `compare` with an older checkout without limits
            await connection.execute(SETTLE_WITHOUT_LIMITS)
        await connection.execute("VACUUM (ANALYZE) orders")
