"""Customers and account status become one table without a loss."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from alembic import command

from order_service.tests.conftest import Shop, secrets
from service_kit.database import migrations
from service_kit.database.administration import administration
from service_kit.database.revisions import lineages
from tests.harness import tokens
from tests.harness.databases import new_database
from tests.harness.service import Caller, serve

STATUS = """
INSERT INTO account_status (user_id, version, changed_at, active, permissions, erased)
VALUES (%s, %s, '2026-11-01Z', %s, %s, %s)
"""
CUSTOMER = """
INSERT INTO customers (user_id, version, active, erased, email, name, email_verified)
VALUES (%s, %s, %s, %s, %s, %s, %s)
"""
ROW = """
SELECT version, active, permissions, erased, email, name, email_verified, changed_at::text
FROM account_status WHERE user_id = %s
"""
PERSON, DISABLED, ERASED, CLIENT, OLD = (str(uuid4()) for _ in range(5))
"""OLD: a customer from before account status was kept, so that nothing is known of the permissions."""
STATUSES: tuple[tuple[Any, ...], ...] = (
    (PERSON, 3, True, ["cart:write"], False),
    (DISABLED, 4, False, [], False),
    (ERASED, 5, False, [], True),
    (CLIENT, 1, True, ["orders:write"], False),
)
CUSTOMERS = (
    (PERSON, 3, True, False, "ada@example.com", "Ada", True),
    (DISABLED, 4, False, False, "bob@example.com", "Bob", None),
    (ERASED, 5, False, True, None, None, None),
    (OLD, 1, True, False, "old@example.com", "Old", False),
)
DAY, NEVER = "2026-11-01 00:00:00+00", "1970-01-01 00:00:00+00"
MERGED = {
    PERSON: (3, True, ["cart:write"], False, "ada@example.com", "Ada", True, DAY),
    DISABLED: (4, False, [], False, "bob@example.com", "Bob", None, DAY),
    ERASED: (5, False, [], True, None, None, None, DAY),
    CLIENT: (1, True, ["orders:write"], False, None, None, None, DAY),
    OLD: (1, True, [], False, "old@example.com", "Old", False, NEVER),
}


def _downgrade(url: str, to: str) -> None:
    _, own = lineages("order_service")
    with migrations._locked(url, None) as connection:
        command.downgrade(migrations.config(own, connection), to)


@pytest.fixture
def migrated() -> str:
    """There, back, and there again."""
    url = new_database()
    migrations.upgrade("order_service", url)
    _downgrade(url, "0100")
    with administration(url) as cursor:
        cursor.execute("SET timezone = 'UTC'")
        for sql, rows in ((STATUS, STATUSES), (CUSTOMER, CUSTOMERS)):
            for row in rows:
                cursor.execute(sql, row)
        migrations.upgrade("order_service", url)
        _downgrade(url, "0100")
        cursor.execute("SELECT user_id, version, active, erased, email, name, email_verified FROM customers")
        assert sorted(cursor.fetchall()) == sorted(CUSTOMERS)
    migrations.upgrade("order_service", url)
    return url


def test_no_account_and_no_customer_is_lost(migrated: str) -> None:
    with administration(migrated) as cursor:
        cursor.execute("SET timezone = 'UTC'")
        for id, row in MERGED.items():
            cursor.execute(ROW, [id])
            assert cursor.fetchone() == row


async def test_orders_are_placed_for_the_same_accounts_as_before(migrated: str) -> None:
    async with serve("order_service", database_url=migrated, limits=False, **secrets()) as served:
        shop = Shop(served)
        product = await shop.product()
        outcomes = {
            PERSON: 201, OLD: 201, DISABLED: "customer-inactive", ERASED: "customer-inactive",
            CLIENT: "customer-unknown",
        }  # fmt: skip
        for id, outcome in outcomes.items():
            answer = await shop.place(product, by=shop.staff, customer_id=id)
            assert outcome in (answer.status_code, answer.json().get("type", "").removeprefix("/problems/")), id
        # An account of which only the customer was known may do what its token says.
        by_old = Caller(UUID(OLD), served.client(tokens.token(role="Admin", user_id=UUID(OLD))))
        assert (await shop.place(product, by=by_old, customer_id=PERSON)).status_code == 201
