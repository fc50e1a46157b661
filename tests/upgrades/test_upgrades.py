"""An upgraded database has the schema of a new one, and pending events, mails and payments are completed."""

import asyncio
import json
from asyncio import timeout, to_thread
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest

from local_stack.parts import SERVICES
from notification_service.channels import EMAIL
from notification_service.deliveries.jobs import send_due as send_notifications
from order_service.payments.gateways.port import Charge
from order_service.payments.gateways.registry import Gateways
from order_service.payments.models import Payment
from order_service.payments.reconciliation import charge_request
from order_service.tests.payments.conftest import API_KEY, SECRET, GatewayProcess, Shop
from service_kit.database import migrations
from service_kit.database.administration import administration
from service_kit.database.adoption import TooOld
from service_kit.messaging.administration import create_topics
from service_kit.messaging.connection import KafkaConnection
from tests.harness.databases import drop_database, new_database
from tests.harness.service import NEEDED, Served, serve
from tests.harness.smtp_server import post_office
from tests.upgrades.dumps import copy_of_schema, lost, restored, rows, schema
from user_service.base import hash_of
from user_service.mails.jobs import send_due as send_account_mails
from user_service.tests.conftest import SETTINGS

PACKAGES = [service.package for service in SERVICES]
REVISIONS = "SELECT (SELECT version_num FROM alembic_version), (SELECT version_num FROM alembic_version_kit)"
ADA = "ada@example.com"


@pytest.mark.parametrize("service", PACKAGES)
def test_nothing_is_lost_and_the_schema_is_that_of_a_new_database(service: str) -> None:
    url, new = restored(service), new_database(service)
    before = rows(url)
    migrations.upgrade(service, url)
    assert before["outbox"]
    assert lost(before, rows(url)) == []
    copy, copy_of_new = copy_of_schema(url), copy_of_schema(new)
    assert schema(copy) == schema(copy_of_new)
    assert migrations.differences(service, url) == []
    for each in (url, new, copy, copy_of_new):
        drop_database(each)


@pytest.mark.parametrize("service", PACKAGES)
def test_a_database_of_an_older_release_is_not_changed(service: str) -> None:
    url = restored(service)
    with administration(url) as cursor:
        cursor.execute("UPDATE alembic_version SET version_num = '0004'")
    before = rows(url), schema(url)
    with pytest.raises(TooOld, match=f"{service} is at revision 0004.*Nothing was changed"):
        migrations.upgrade(service, url)
    assert (rows(url), schema(url)) == before
    assert not migrations.is_current(service, url)
    drop_database(url)


def test_existing_products_start_with_their_current_price() -> None:
    """The price is valid from the last change of the product, since it began at that time or earlier."""
    url = restored("product_service")
    migrations.upgrade("product_service", url)
    with administration(url) as cursor:
        cursor.execute(
            "SELECT count(*), bool_and((amount, currency, effective_from) = (price_amount, price_currency, updated_at))"
            " FROM products LEFT JOIN base_price_history ON product_id = products.id"
        )
        [(count, alike)] = cursor.fetchall()
    assert count > 0
    assert alike
    drop_database(url)


@asynccontextmanager
async def upgraded(name: str, url: str | None = None, **settings: Any) -> AsyncIterator[Served]:
    """The service on an upgraded database of the earlier release. `url`: a database that is already restored."""
    service = f"{name}_service"
    url = url or restored(service)
    await to_thread(migrations.upgrade, service, url)
    async with serve(service, database_url=url, **{**NEEDED.get(name, {}), **settings}) as served:
        yield served


async def sql(served: Served, statement: str, *values: Any) -> Any:
    async with served.runtime.database.connection() as connection:
        return await connection.fetchval(statement, *values)


async def until(served: Served, statement: str) -> None:
    async with timeout(60):
        while not await sql(served, statement):
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("name", "taken_up"),
    [
        ("product", "SELECT max(on_hand) = 48 FROM availability"),
        ("inventory", "SELECT count(*) = 1 FROM products WHERE name = 'Lantern of now'"),
        ("order", "SELECT count(*) = 1 FROM catalogue_products WHERE name = 'Lantern of now'"),
        ("notification", "SELECT count(*) = 5 FROM recipients"),
        ("user", "SELECT true"),
    ],
)
async def test_pending_events_are_published_and_failed_ones_are_retried(name: str, taken_up: str, kafka: str) -> None:
    prefix = f"t{uuid4().hex[:8]}."
    await create_topics(KafkaConnection.plain(kafka), prefix)
    settings = SETTINGS if name == "user" else {}
    broker = {"service_role": "all", "kafka_bootstrap_servers": kafka, "kafka_topic_prefix": prefix}
    url = restored(f"{name}_service")
    with administration(url) as cursor:
        cursor.execute("SELECT count(*) FROM outbox WHERE published_at IS NULL")
        assert cursor.fetchone() != (0,) or name == "notification", "the dump must have unpublished events"
        cursor.execute("SELECT count(*) FROM parked_events WHERE status = 'waiting'")
        assert cursor.fetchone() == (0 if name == "user" else 1,)
    async with upgraded(name, url, **settings, **broker) as served:
        await until(served, "SELECT count(*) = 0 FROM outbox WHERE published_at IS NULL")
        await until(served, "SELECT count(*) = 0 FROM parked_events WHERE status = 'waiting'")
        await until(served, taken_up)
        assert await sql(served, "SELECT count(*) FROM parked_events") == (0 if name == "user" else 1), "a dead letter"
        assert (await served.operations.get("/health/ready")).json()["checks"]["database"] == "ok"


async def test_pending_mails_are_sent() -> None:
    async with post_office() as office:
        mail: dict[str, Any] = {"smtp_host": "127.0.0.1", "smtp_port": office.port, "mail_from": "shop@example.com"}
        async with upgraded("user", **SETTINGS, **mail) as served:
            await send_account_mails(served.runtime)
            assert await sql(served, "SELECT count(*) FROM mails") == 0
        assert len(office.mails_to(ADA)) == 1
        async with upgraded("notification", **mail) as served:
            assert await sql(served, "SELECT count(*) FROM deliveries WHERE status = 'pending'") == 3
            await send_notifications(EMAIL, served.runtime)
            assert await sql(served, "SELECT count(*) FROM deliveries WHERE status = 'pending'") == 0
        assert len(office.mails_to(ADA)) == 1 + 3


async def test_payments_and_refunds_in_flight_are_settled(gateway: GatewayProcess) -> None:
    """The gateway has made this charge, but its response was lost. It does not know the charge of the refund."""
    reached = {"gateway_url": gateway.process.url, "gateway_api_key": API_KEY, "gateway_webhook_secret": SECRET}
    async with upgraded("order", **reached) as served:
        shop = Shop(served, gateway)
        async with served.runtime.database.connection() as connection:
            pending = Payment(**await connection.fetchrow("SELECT * FROM payments WHERE status = 'pending'"))
        made = await shop.runtime.resource(Gateways).default.open(charge_request(pending, "tok_ok"))
        assert isinstance(made, Charge)
        async with timeout(60):
            while await sql(served, "SELECT status FROM payments WHERE id = $1", pending.id) != "succeeded":
                await shop.reconcile()
        assert await sql(served, "SELECT count(*) FROM refunds WHERE status = 'requested'") == 1
        await shop.carry_out_refunds()


async def test_a_duplicate_request_gets_the_stored_response() -> None:
    async with upgraded("order") as served:
        find = "SELECT user_id, body FROM idempotency_keys WHERE key = 'pending'"
        async with served.runtime.database.connection() as connection:
            owner, body = await connection.fetchrow(find)
        [line] = json.loads(body)["lines"]
        address = {"name": "Ada King", "line1": "12 St James's Square", "city": "London", "country": "GB"}
        order = {"lines": [{"product_id": line["product_id"], "quantity": 1}], "ship_to": address}
        ada = served.caller(role="User", user_id=owner)
        again = await ada.post("/orders", json=order, headers={"Idempotency-Key": "pending"})
        assert (again.status_code, again.content, again.headers["Idempotent-Replayed"]) == (201, body, "true")


async def test_sessions_remain_valid() -> None:
    url = restored("user_service")
    add = """
    INSERT INTO refresh_tokens (token_hash, session_id, created_at)
    SELECT %s, id, now() FROM sessions WHERE account_id = (SELECT id FROM accounts WHERE email = %s) LIMIT 1
    """
    with administration(url) as cursor:
        cursor.execute(add, [hash_of("of before"), ADA])
    async with upgraded("user", url, **SETTINGS) as served:
        form = {"grant_type": "refresh_token", "refresh_token": "of before"}
        answer = await served.anonymous.post("/auth/token", data=form)
        assert answer.status_code == 200, answer.text
