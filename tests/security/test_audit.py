"""Every change by staff and API clients is audited in the same transaction."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from service_kit.audit import actor
from service_kit.database import Statement
from service_kit.database.revisions import VERSION_TABLES
from service_kit.security import Principal
from tests.harness import tokens
from tests.security.operations import SERVICES, Operation, operations
from tests.security.seeded_service import OWNERS_EMAIL, OWNERS_NAME, SHIP_TO, SeededService, seeded_service
from tests.security.staff_edits import carry_out, staff_operations

STAFF_OPERATIONS = staff_operations()
NOT_AUDITED = {
    # user_service/audit: by name of the action
    "user": {"accounts", "api_clients", "api_client_secrets", "customer_groups", "roles"},
    "product": {
        *("availability", "base_price_history", "bought_together", "bought_together_runs", "family_media"),
        *("import_chunks", "import_failures"),
        *("price_rule_queue", "product_demand", "product_media", "purchases", "republications", "review_stats"),
        "search_words",
    },
    "inventory": {
        "products", "reservation_lines", "reservations", "stock", "stock_batches", "stock_receipt_lines",
    },
    "order": {
        "cart_items", "carts", "catalogue_products", "code_guesses", "commerce_rules", "invalid_link_attempts",
        "invoice_policy", "invoice_recipients", "invoice_requests", "invoice_series", "invoices", "order_adjustments",
        "order_history", "order_lines", "order_search", "order_shipments", "payment_tokens", "promotion_customers",
        "promotion_uses", "redemptions", "stock_levels", "tax_ids",
    },
    "notification": {"notifications", "preferences", "recipients"},
}  # fmt: skip
"""Tables that are written by event handlers or together with an audited row, or that only customers change."""
OF_THE_KIT = {
    *VERSION_TABLES, "account_status", "audit_log", "ended_sessions", "idempotency_keys", "inbox", "outbox",
    "outbox_lease", "verification_keys",
}  # fmt: skip
OF_ACCOUNTS = {
    "addresses", "known_addresses", "mail_tokens", "mails", "recovery_codes", "refresh_tokens", "second_factors",
    "sessions", "signing_keys", "tries",
}  # fmt: skip
_TABLES = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
_AUDITED = "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'audit'"
APPENDED = "INSERT INTO audit_log (id, at, action) VALUES (uuidv7(), now(), 'nothing')"


@pytest.fixture(params=SERVICES)
async def seeded(request: pytest.FixtureRequest) -> AsyncIterator[SeededService]:
    async with seeded_service(request.param) as made:
        yield made


async def entries(seeded: SeededService, **filters: str) -> list[dict[str, Any]]:
    answer = await seeded.admin.get("/audit-log", params=filters)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def _operation(service: str, name: str) -> Operation:
    return next(each for each in operations(service) if str(each) == name)


def test_all_operations_of_staff_are_found() -> None:
    assert len(STAFF_OPERATIONS) >= 50


@pytest.mark.parametrize(("service", "name"), STAFF_OPERATIONS, ids=[" ".join(each) for each in STAFF_OPERATIONS])
async def test_changes_by_staff_are_audited(service: str, name: str) -> None:
    """The log has one entry for each changed resource, with actor, request, resource and changed fields, and without
    names or addresses of persons."""
    async with seeded_service(service) as seeded:
        actor = uuid4()
        client = seeded.served.client(tokens.token(role="Admin", user_id=actor))
        answer = await carry_out(seeded, _operation(service, name), client)
        assert answer.is_success, f"{answer.status_code} {answer.text}"
        found = await entries(seeded, actor_id=str(actor))
        _check(found, answer, actor, name, kit=service != "user" or name.startswith("POST /dead-letters"))
        assert not [word for word in (OWNERS_NAME, OWNERS_EMAIL, SHIP_TO["line1"]) if word in str(found)]


def _check(found: list[dict[str, Any]], answer: httpx.Response, actor: UUID, name: str, *, kit: bool) -> None:
    assert found, "the change has no entry"
    for entry in found:
        assert all(entry[name] for name in ("resource", "resource_id", "changes")), entry
        assert entry["client_id"] is None
        assert UUID(entry["actor_id"]) == actor
        assert entry["request_id"] == answer.headers["X-Request-Id"]
        assert not kit or entry["action"] == name
        assert all(change is None or change[0] != change[1] for change in entry["changes"].values())
    resources = [(entry["resource"], entry["resource_id"]) for entry in found]
    assert len(resources) == len(set(resources)), "a resource has several entries"


async def test_changes_by_api_clients_are_audited_under_the_client(seeded: SeededService) -> None:
    id = uuid4()
    client = seeded.served.client(tokens.token("dead-letters:manage", user_id=id, client_id=str(id)))
    letter = (await client.get("/dead-letters")).json()["items"][0]["id"]
    assert (await client.post(f"/dead-letters/{letter}/discard")).status_code == 204
    [entry] = await entries(seeded, actor_id=str(id))
    assert (entry["client_id"], entry["resource"], entry["resource_id"]) == (str(id), "dead-letter", str(letter))


async def test_rejected_requests_are_not_audited(seeded: SeededService) -> None:
    """Every operation of staff is sent with random ids, which do not exist."""
    actor, tried = uuid4(), 0
    client = seeded.served.client(tokens.token(role="Admin", user_id=actor))
    for service, name in STAFF_OPERATIONS:
        operation = _operation(service, name)
        if service == seeded.service and operation.parameters:
            answer = await client.request(operation.method, operation.url({}), **operation.request())
            assert answer.is_client_error, f"{operation}: {answer.status_code}"
            tried += 1
    assert tried >= 3
    assert await entries(seeded, actor_id=str(actor)) == []


@pytest.mark.parametrize("session", ["session", "transaction", "connection"])
async def test_every_session_sets_the_actor_and_a_rollback_leaves_nothing(session: str) -> None:
    async with seeded_service("product") as seeded:
        open_session = getattr(seeded.served.runtime.database, session)
        id = uuid4()
        failure = asyncpg.exceptions.DataError if session == "connection" else ZeroDivisionError
        with _acting(id), pytest.raises(failure):
            await _replay(open_session, fail=session)
        assert await entries(seeded, actor_id=str(id)) == []
        with _acting(id):
            await _replay(open_session)
        [entry] = await entries(seeded, actor_id=str(id))
        assert entry["changes"] == {"status": ["dead", "waiting"]}


@contextmanager
def _acting(id: UUID) -> Iterator[None]:
    actor.remember(Principal(id, frozenset({"dead-letters:manage"}), "token", 0), {"method": "POST"})
    try:
        yield
    finally:
        actor.forget()


async def _replay(open_session: Any, fail: str | None = None) -> None:
    async with open_session() as session:
        zero = "(SELECT 1 / (count(*) - count(*)) FROM audit_log)" if fail == "connection" else "1"
        await Statement(f"UPDATE parked_events SET status = 'waiting' WHERE {zero} = 1").fetch(session)
        if fail:
            raise ZeroDivisionError


async def test_customers_leave_no_entries() -> None:
    async with seeded_service("order") as seeded:
        before = await entries(seeded)
        lines = [{"product_id": seeded.values["product_id"], "quantity": 1}]
        body = {"lines": lines, "ship_to": SHIP_TO}
        made = await seeded.as_owner.post("/orders", json=body, headers={"Idempotency-Key": "mine"})
        assert made.status_code == 201, made.text
        assert (await seeded.as_owner.post(f"/orders/{made.json()['id']}/cancel")).is_success
        assert await entries(seeded) == before


async def test_the_actor_of_a_request_is_not_kept_for_later_statements(seeded: SeededService) -> None:
    """Neither the process nor the pooled connection may attribute its own later changes to the last caller."""
    letter = (await seeded.admin.get("/dead-letters")).json()["items"][0]["id"]
    assert (await seeded.admin.post(f"/dead-letters/{letter}/replay")).status_code == 202
    before = len(await entries(seeded))
    async with seeded.served.runtime.database.connection() as connection:
        await connection.execute("UPDATE parked_events SET status = 'dead'")
    async with seeded.served.runtime.database.transaction() as tx:
        await tx.execute("DELETE FROM parked_events")
    assert len(await entries(seeded)) == before


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_log SET action = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log"]
)
async def test_the_database_rejects_changes_of_the_audit_log(seeded: SeededService, statement: str) -> None:
    async with seeded.served.runtime.database.connection() as connection:
        await connection.execute(APPENDED)
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only added to"):
            await connection.execute(statement)


async def test_every_table_is_audited_or_listed_as_exempt(seeded: SeededService) -> None:
    """A new table must be added to the trigger or to the list."""
    async with seeded.served.runtime.database.connection() as connection:
        tables = {row[0] for row in await connection.fetch(_TABLES)}
        audited = {row[0] for row in await connection.fetch(_AUDITED)}
    exempt = NOT_AUDITED[seeded.service] | OF_THE_KIT | (OF_ACCOUNTS if seeded.service == "user" else set())
    assert audited & exempt == set()
    assert tables - audited - exempt == set()


async def test_the_audit_log_is_filtered_and_paged(seeded: SeededService) -> None:
    """Every service has the same filters."""
    letter = (await seeded.admin.get("/dead-letters")).json()["items"][0]["id"]
    for deed in ("replay", "discard"):
        async with seeded.served.runtime.database.connection() as connection:
            await connection.execute("UPDATE parked_events SET status = 'dead'")
        assert (await seeded.admin.post(f"/dead-letters/{letter}/{deed}")).is_success
    of_letter = {"resource": "dead-letter", "resource_id": str(letter)}
    discarded, replayed = await entries(seeded, **of_letter)
    assert (discarded["action"][-7:], replayed["action"][-6:]) == ("discard", "replay")
    assert await entries(seeded, **of_letter, since=discarded["at"]) == [discarded]
    assert await entries(seeded, **of_letter, until=discarded["at"]) == [replayed]
    assert await entries(seeded, **{**of_letter, "resource_id": "0"}) == []
    assert await entries(seeded, resource="product-family") == []
    first = (await seeded.admin.get("/audit-log", params={**of_letter, "limit": "1"})).json()
    assert first["items"] == [discarded]
    second = (await seeded.admin.get("/audit-log", params={**of_letter, "limit": "1", "cursor": first["next"]})).json()
    assert (second["items"], second["next"]) == ([replayed], None)


async def test_staff_can_export_their_audit_log_entries(seeded: SeededService) -> None:
    me = uuid4()
    client = seeded.served.client(tokens.token(role="Admin", user_id=me))
    letter = (await client.get("/dead-letters")).json()["items"][0]["id"]
    assert (await client.post(f"/dead-letters/{letter}/discard")).status_code == 204
    mine = (await client.get("/me/export")).json()["audit_log"]
    assert [entry["resource_id"] for entry in mine if entry["resource"] == "dead-letter"] == [str(letter)]
