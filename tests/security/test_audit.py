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
from tests.security.shop import OWNERS_EMAIL, OWNERS_NAME, SHIP_TO, Premises, premises
from tests.security.staff_edits import carry_out, staff_operations

STAFF_OPERATIONS = staff_operations()
NOT_AUDITED = {
    "user": {"accounts", "api_clients", "api_client_secrets", "roles"},  # user_service/audit: by name of the action
    "product": {"availability", "base_price_history"},
    "inventory": {
        "products", "reservation_lines", "reservations", "stock", "stock_batches", "stock_receipt_lines",
    },
    "order": {
        "cart_items", "carts", "catalogue_products", "order_history", "order_lines", "order_shipments",
        "payment_tokens", "stock_levels",
    },
    "notification": {"notifications", "preferences", "recipients"},
}  # fmt: skip
"""Tables that follow from events or from a row that is audited, and what is a customer's own alone."""
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
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Premises]:
    async with premises(request.param) as made:
        yield made


async def entries(place: Premises, **filters: str) -> list[dict[str, Any]]:
    answer = await place.admin.get("/audit-log", params=filters)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def _operation(service: str, name: str) -> Operation:
    return next(each for each in operations(service) if str(each) == name)


def test_the_list_is_not_shorter_than_it_was() -> None:
    assert len(STAFF_OPERATIONS) >= 50


@pytest.mark.parametrize(("service", "name"), STAFF_OPERATIONS, ids=[" ".join(each) for each in STAFF_OPERATIONS])
async def test_changes_by_staff_are_audited(service: str, name: str) -> None:
    """Who, by which request, of which thing, which fields; once for each thing. And nothing of what a person is called
    or where they live."""
    async with premises(service) as place:
        actor = uuid4()
        client = place.served.client(tokens.token(role="Admin", user_id=actor))
        answer = await carry_out(place, _operation(service, name), client)
        assert answer.is_success, f"{answer.status_code} {answer.text}"
        found = await entries(place, actor_id=str(actor))
        _check(found, answer, actor, name, kit=service != "user" or name.startswith("POST /dead-letters"))
        assert not [word for word in (OWNERS_NAME, OWNERS_EMAIL, SHIP_TO["line1"]) if word in str(found)]


def _check(found: list[dict[str, Any]], answer: httpx.Response, actor: UUID, name: str, *, kit: bool) -> None:
    assert found, "nothing is written down"
    for entry in found:
        assert all(entry[name] for name in ("resource", "resource_id", "changes")), entry
        assert entry["client_id"] is None
        assert UUID(entry["actor_id"]) == actor
        assert entry["request_id"] == answer.headers["X-Request-Id"]
        assert not kit or entry["action"] == name
        assert all(change is None or change[0] != change[1] for change in entry["changes"].values())
    things = [(entry["resource"], entry["resource_id"]) for entry in found]
    assert len(things) == len(set(things)), "one thing has several entries"


async def test_changes_by_api_clients_are_audited_under_the_client(place: Premises) -> None:
    id = uuid4()
    client = place.served.client(tokens.token("dead-letters:manage", user_id=id, client_id=str(id)))
    letter = (await client.get("/dead-letters")).json()["items"][0]["id"]
    assert (await client.post(f"/dead-letters/{letter}/discard")).status_code == 204
    [entry] = await entries(place, actor_id=str(id))
    assert (entry["client_id"], entry["resource"], entry["resource_id"]) == (str(id), "dead-letter", str(letter))


async def test_rejected_requests_are_not_audited(place: Premises) -> None:
    """Of all operations, on things that there are not."""
    actor, tried = uuid4(), 0
    client = place.served.client(tokens.token(role="Admin", user_id=actor))
    for service, name in STAFF_OPERATIONS:
        operation = _operation(service, name)
        if service == place.service and operation.parameters:
            answer = await client.request(operation.method, operation.url({}), **operation.request())
            assert answer.is_client_error, f"{operation}: {answer.status_code}"
            tried += 1
    assert tried >= 3
    assert await entries(place, actor_id=str(actor)) == []


@pytest.mark.parametrize("session", ["session", "transaction", "connection"])
async def test_every_session_sets_the_actor_and_a_rollback_leaves_nothing(session: str) -> None:
    async with premises("product") as place:
        open_session = getattr(place.served.runtime.database, session)
        id = uuid4()
        failure = asyncpg.exceptions.DataError if session == "connection" else ZeroDivisionError
        with _acting(id), pytest.raises(failure):
            await _replay(open_session, fail=session)
        assert await entries(place, actor_id=str(id)) == []
        with _acting(id):
            await _replay(open_session)
        [entry] = await entries(place, actor_id=str(id))
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
    async with premises("order") as place:
        lines = [{"product_id": place.values["product_id"], "quantity": 1}]
        body = {"lines": lines, "ship_to": SHIP_TO}
        made = await place.as_owner.post("/orders", json=body, headers={"Idempotency-Key": "mine"})
        assert made.status_code == 201, made.text
        assert (await place.as_owner.post(f"/orders/{made.json()['id']}/cancel")).is_success
        assert await entries(place) == []


async def test_who_did_something_does_not_stay_for_the_next_request(place: Premises) -> None:
    """What this process does by itself after a request of staff is nobody's: the connection forgets, and so does it."""
    letter = (await place.admin.get("/dead-letters")).json()["items"][0]["id"]
    assert (await place.admin.post(f"/dead-letters/{letter}/replay")).status_code == 202
    before = len(await entries(place))
    async with place.served.runtime.database.connection() as connection:
        await connection.execute("UPDATE parked_events SET status = 'dead'")
    async with place.served.runtime.database.transaction() as tx:
        await tx.execute("DELETE FROM parked_events")
    assert len(await entries(place)) == before


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_log SET action = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log"]
)
async def test_the_database_rejects_to_change_the_log(place: Premises, statement: str) -> None:
    async with place.served.runtime.database.connection() as connection:
        await connection.execute(APPENDED)
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only added to"):
            await connection.execute(statement)


async def test_every_table_is_audited_or_named_as_not(place: Premises) -> None:
    """So that a new table is not forgotten."""
    async with place.served.runtime.database.connection() as connection:
        tables = {row[0] for row in await connection.fetch(_TABLES)}
        audited = {row[0] for row in await connection.fetch(_AUDITED)}
    exempt = NOT_AUDITED[place.service] | OF_THE_KIT | (OF_ACCOUNTS if place.service == "user" else set())
    assert audited & exempt == set()
    assert tables - audited - exempt == set()


async def test_the_audit_log_is_filtered_and_paged(place: Premises) -> None:
    """The same filters in every service."""
    letter = (await place.admin.get("/dead-letters")).json()["items"][0]["id"]
    for deed in ("replay", "discard"):
        async with place.served.runtime.database.connection() as connection:
            await connection.execute("UPDATE parked_events SET status = 'dead'")
        assert (await place.admin.post(f"/dead-letters/{letter}/{deed}")).is_success
    of_letter = {"resource": "dead-letter", "resource_id": str(letter)}
    discarded, replayed = await entries(place, **of_letter)
    assert (discarded["action"][-7:], replayed["action"][-6:]) == ("discard", "replay")
    assert await entries(place, **of_letter, since=discarded["at"]) == [discarded]
    assert await entries(place, **of_letter, until=discarded["at"]) == [replayed]
    assert await entries(place, **{**of_letter, "resource_id": "0"}) == []
    assert await entries(place, resource="product-family") == []
    first = (await place.admin.get("/audit-log", params={**of_letter, "limit": "1"})).json()
    assert first["items"] == [discarded]
    second = (await place.admin.get("/audit-log", params={**of_letter, "limit": "1", "cursor": first["next"]})).json()
    assert (second["items"], second["next"]) == ([replayed], None)


async def test_staff_can_export_their_audit_log_entries(place: Premises) -> None:
    me = uuid4()
    client = place.served.client(tokens.token(role="Admin", user_id=me))
    letter = (await client.get("/dead-letters")).json()["items"][0]["id"]
    assert (await client.post(f"/dead-letters/{letter}/discard")).status_code == 204
    mine = (await client.get("/me/export")).json()["audit_log"]
    assert [entry["resource_id"] for entry in mine if entry["resource"] == "dead-letter"] == [str(letter)]
