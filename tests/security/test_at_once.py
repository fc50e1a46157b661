"""Revoked permissions take effect at once in sensitive operations, although the token still contains them."""

import time
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import httpx
import pytest

from contracts.events.users import UserChanged, UserErased
from contracts.permissions import SENSITIVE, Permission
from service_kit.clock import utcnow
from service_kit.security import account_status
from tests.harness import tokens
from tests.harness.service import Served
from tests.security.operations import SERVICES, Operation
from tests.security.seeded_service import SeededService, seeded_service

LEAST_SENSITIVE = {"user": 3, "product": 6, "inventory": 4, "order": 3, "notification": 2}


@pytest.fixture(params=SERVICES)
async def seeded(request: pytest.FixtureRequest) -> AsyncIterator[SeededService]:
    async with seeded_service(request.param) as made:
        yield made


def _sensitive(seeded: SeededService) -> list[Operation]:
    found = [operation for operation in seeded.operations if SENSITIVE.intersection(operation.permissions or ())]
    assert len(found) >= LEAST_SENSITIVE[seeded.service]
    return found


async def _update_account(served: Served, user_id: UUID, version: int, *roles: str, active: bool = True) -> None:
    """Applies a new account status, as the service does when the user service has changed the account."""
    changed = UserChanged(
        user_id=user_id, version=version, email="s@example.com", full_name="S", roles=list(roles), active=active,
        email_verified=True,
    )  # fmt: skip
    await _apply(served, changed)


async def _apply(served: Served, event: UserChanged | UserErased) -> None:
    if served.runtime.settings.service != "user":
        await served.deliver(event)
        return
    async with served.runtime.database.transaction() as tx:
        if isinstance(event, UserErased):
            await account_status.erase(tx, [event])
        else:
            await account_status.update(tx, [event], [utcnow()])


async def _send(client: httpx.AsyncClient, operation: Operation) -> httpx.Response:
    return await client.request(operation.method, operation.url({}), **operation.request())


async def _assert_rejected(seeded: SeededService, client: httpx.AsyncClient) -> None:
    for operation in _sensitive(seeded):
        answer = await _send(client, operation)
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/no-longer-allowed"), str(operation)


async def _assert_accepted(seeded: SeededService, client: httpx.AsyncClient) -> None:
    for operation in _sensitive(seeded):
        answer = await _send(client, operation)
        assert answer.status_code not in (401, 403), f"{operation}: {answer.text}"


async def test_a_removed_role_takes_effect_at_once(seeded: SeededService) -> None:
    admin = uuid4()
    client = seeded.client(role="Admin", user_id=admin)
    await _assert_accepted(seeded, client)  # without any event about the account, the token alone decides
    await _update_account(seeded.served, admin, 1, "Admin")
    await _assert_accepted(seeded, client)
    await _update_account(seeded.served, admin, 2, "User")
    await _assert_rejected(seeded, client)
    await _update_account(seeded.served, admin, 1, "Admin")  # an old event that is delivered again
    await _assert_rejected(seeded, client)


async def test_disabled_and_erased_accounts_have_no_permissions(seeded: SeededService) -> None:
    disabled, erased = uuid4(), uuid4()
    await _update_account(seeded.served, disabled, 2, "Admin", active=False)
    await _assert_rejected(seeded, seeded.client(role="Admin", user_id=disabled))
    await _apply(seeded.served, UserErased(user_id=erased, version=3))
    await _assert_rejected(seeded, seeded.client(role="Admin", user_id=erased))
    await _update_account(seeded.served, erased, 9, "Admin")
    await _assert_rejected(seeded, seeded.client(role="Admin", user_id=erased))


async def test_a_token_that_is_newer_than_the_account_status_is_accepted(seeded: SeededService) -> None:
    """An account that was just given a role can use it before the event arrives."""
    promoted = uuid4()
    await _update_account(seeded.served, promoted, 1, "User")
    async with seeded.served.runtime.database.connection() as connection:
        await connection.execute("UPDATE account_status SET changed_at = $1", utcnow() - timedelta(minutes=1))
    await _assert_accepted(seeded, seeded.client(role="Admin", user_id=promoted))
    older = tokens.token(role="Admin", user_id=promoted, iat=int(time.time()) - 90)
    await _assert_rejected(seeded, seeded.served.client(older))


async def test_operations_on_orders_of_others_check_current_permissions() -> None:
    """These operations need only a customer's permission; a staff permission is checked where it widens access."""
    async with seeded_service("order") as seeded:
        staff = uuid4()
        client = seeded.client(role="SubAdmin", user_id=staff)
        await _update_account(seeded.served, staff, 1, "User")
        order = seeded.ids["/orders", "order_id"]
        payment = seeded.ids["/payments", "payment_id"]
        line = {"product_id": seeded.values["product_id"], "quantity": 1}
        wanted = {"lines": [line], "ship_to": _SHIP_TO}
        agreed = [{**line, "agreed_unit_price": {"amount": 1, "currency": "GBP"}}]
        for method, path, body in (
            ("POST", f"/orders/{order}/cancel", {}),
            ("PATCH", f"/orders/{order}", {"ship_to": _SHIP_TO}),
            ("POST", f"/orders/{order}/payments", {"token": "tok_ok"}),
            ("POST", f"/payments/{payment}/verify", None),
            ("POST", "/orders", {**wanted, "customer_id": str(seeded.owner)}),
            ("POST", "/orders", {**wanted, "lines": agreed}),
        ):
            answer = await client.request(method, path, json=body, headers={"Idempotency-Key": str(uuid4())})
            assert (answer.status_code, answer.json()["type"]) == (403, "/problems/no-longer-allowed"), f"{path} {body}"
        own = await client.post("/orders", json=wanted, headers={"Idempotency-Key": str(uuid4())})
        assert own.status_code == 201, own.text


_SHIP_TO = {"name": "S", "line1": "1 Mill Lane", "city": "London", "country": "GB"}


async def test_the_user_service_applies_its_own_changes() -> None:
    async with seeded_service("user") as seeded:
        body = {"email": "second@example.com", "password": "correct horse battery", "full_name": "Second"}
        made = (await seeded.admin.post("/users", json={**body, "roles": ["Admin"]})).json()
        first = {**body, "email": "first@example.com", "roles": ["Admin"]}
        assert (await seeded.admin.post("/users", json=first)).status_code == 201
        second = seeded.client(role="Admin", user_id=UUID(made["id"]))
        account = {"email": "third@example.com", "password": "correct horse battery", "full_name": "Third"}
        assert (await seeded.admin.patch(f"/users/{made['id']}", json={"active": False})).status_code == 200
        answer = await second.post("/users", json={**account, "roles": ["Admin"]})
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/no-longer-allowed")


def test_operations_on_money_goods_and_permissions_are_sensitive() -> None:
    words = (":manage:any", "refunds:write", "stock:adjust", "prices:manage", "cancel:any", "write:any")
    assert {each for each in Permission if any(word in each for word in words)} <= SENSITIVE
