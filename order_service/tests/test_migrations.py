"""Customers and account status become one table without a loss."""

from uuid import UUID, uuid4

from alembic import command

from local_stack.postgres import administration
from order_service.tests.conftest import Shop, secrets
from service_kit.database import migrations
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
DAY, NEVER = "2026-11-01 00:00:00+00", "1970-01-01 00:00:00+00"


def _downgrade(url: str, to: str) -> None:
    _, own = lineages("order_service")
    with migrations._locked(url, None) as connection:
        command.downgrade(migrations.config(own, connection), to)


async def test_customers_and_account_status_become_one_table_and_two_again() -> None:
    """`old` is a customer from before account status was kept: nothing is known of the permissions."""
    url = new_database()
    migrations.upgrade("order_service", url, to="0100")
    person, disabled, erased, client, old = (str(uuid4()) for _ in range(5))
    with administration(url) as cursor:
        cursor.execute("SET timezone = 'UTC'")
        for status in (
            (person, 3, True, ["cart:write"], False),
            (disabled, 4, False, [], False),
            (erased, 5, False, [], True),
            (client, 1, True, ["orders:write"], False),
        ):
            cursor.execute(STATUS, status)
        for customer in (
            (person, 3, True, False, "ada@example.com", "Ada", True),
            (disabled, 4, False, False, "bob@example.com", "Bob", None),
            (erased, 5, False, True, None, None, None),
            (old, 1, True, False, "old@example.com", "Old", False),
        ):
            cursor.execute(CUSTOMER, customer)
        migrations.upgrade("order_service", url, to="0101")
        _downgrade(url, "0100")
        cursor.execute("SELECT user_id, email FROM customers ORDER BY email")
        assert cursor.fetchall() == [
            (person, "ada@example.com"), (disabled, "bob@example.com"), (old, "old@example.com"), (erased, None),
        ]  # fmt: skip
        migrations.upgrade("order_service", url, to="0101")
        expected = {
            person: (3, True, ["cart:write"], False, "ada@example.com", "Ada", True, DAY),
            disabled: (4, False, [], False, "bob@example.com", "Bob", None, DAY),
            erased: (5, False, [], True, None, None, None, DAY),
            client: (1, True, ["orders:write"], False, None, None, None, DAY),
            old: (1, True, [], False, "old@example.com", "Old", False, NEVER),
        }
        for id, row in expected.items():
            cursor.execute(ROW, [id])
            assert cursor.fetchone() == row
    async with serve("order_service", database_url=url, limits=False, **secrets()) as served:
        shop = Shop(served)
        product = await shop.product()
        outcomes = {person: 201, old: 201, disabled: "customer-inactive", erased: "customer-inactive"}
        for id, outcome in {**outcomes, client: "customer-unknown"}.items():
            answer = await shop.place(product, by=shop.staff, customer_id=id)
            assert outcome in (answer.status_code, answer.json().get("type", "").removeprefix("/problems/")), id
        # As before, an account of which only the customer is known may do what its token says.
        by_old = Caller(UUID(old), served.client(tokens.token(role="Admin", user_id=UUID(old))))
        assert (await shop.place(product, by=by_old, customer_id=person)).status_code == 201
