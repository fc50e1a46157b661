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
from tests.security.shop import Premises, premises

LEAST_SENSITIVE = {"user": 3, "product": 6, "inventory": 4, "order": 3, "notification": 2}


@pytest.fixture(params=SERVICES)
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Premises]:
    async with premises(request.param) as made:
        yield made


def _sensitive(place: Premises) -> list[Operation]:
    found = [operation for operation in place.operations if SENSITIVE.intersection(operation.permissions or ())]
    assert len(found) >= LEAST_SENSITIVE[place.service]
    return found


async def _tell(served: Served, user_id: UUID, version: int, *roles: str, active: bool = True) -> None:
    """As the user service would; in its own database it does so when it changes the account."""
    changed = UserChanged(
        user_id=user_id, version=version, email="s@example.com", full_name="S", roles=list(roles), active=active,
        email_verified=True,
    )  # fmt: skip
    await _hear(served, changed)


async def _hear(served: Served, event: UserChanged | UserErased) -> None:
    if served.runtime.settings.service != "user":
        await served.deliver(event)
        return
    async with served.runtime.database.transaction() as tx:
        if isinstance(event, UserErased):
            await account_status.erase(tx, [event])
        else:
            await account_status.update(tx, [event], [utcnow()])


async def _ask(client: httpx.AsyncClient, operation: Operation) -> httpx.Response:
    return await client.request(operation.method, operation.url({}), **operation.request())


async def _rejects(place: Premises, client: httpx.AsyncClient) -> None:
    for operation in _sensitive(place):
        answer = await _ask(client, operation)
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/no-longer-allowed"), str(operation)


async def _accepts(place: Premises, client: httpx.AsyncClient) -> None:
    for operation in _sensitive(place):
        answer = await _ask(client, operation)
        assert answer.status_code not in (401, 403), f"{operation}: {answer.text}"


async def test_a_removed_role_takes_effect_at_once(place: Premises) -> None:
    admin = uuid4()
    client = place.client(role="Admin", user_id=admin)
    await _accepts(place, client)  # no event of the account was received yet
    await _tell(place.served, admin, 1, "Admin")
    await _accepts(place, client)
    await _tell(place.served, admin, 2, "User")
    await _rejects(place, client)
    await _tell(place.served, admin, 1, "Admin")  # heard again, late
    await _rejects(place, client)


async def test_disabled_and_erased_accounts_have_no_permissions(place: Premises) -> None:
    disabled, erased = uuid4(), uuid4()
    await _tell(place.served, disabled, 2, "Admin", active=False)
    await _rejects(place, place.client(role="Admin", user_id=disabled))
    await _hear(place.served, UserErased(user_id=erased, version=3))
    await _rejects(place, place.client(role="Admin", user_id=erased))
    await _tell(place.served, erased, 9, "Admin")
    await _rejects(place, place.client(role="Admin", user_id=erased))


async def test_a_token_that_is_newer_than_the_account_status_is_accepted(place: Premises) -> None:
    """Who was just given a role need not wait for the broker."""
    promoted = uuid4()
    await _tell(place.served, promoted, 1, "User")
    async with place.served.runtime.database.connection() as connection:
        await connection.execute("UPDATE account_status SET changed_at = $1", utcnow() - timedelta(minutes=1))
    await _accepts(place, place.client(role="Admin", user_id=promoted))
    older = tokens.token(role="Admin", user_id=promoted, iat=int(time.time()) - 90)
    await _rejects(place, place.served.client(older))


async def test_operations_on_orders_of_others_check_current_permissions() -> None:
    """There the permission stands beside one that every customer has."""
    async with premises("order") as place:
        staff = uuid4()
        client = place.client(role="SubAdmin", user_id=staff)
        await _tell(place.served, staff, 1, "User")
        order = place.ids["/orders", "order_id"]
        payment = place.ids["/payments", "payment_id"]
        line = {"product_id": place.values["product_id"], "quantity": 1}
        wanted = {"lines": [line], "ship_to": _SHIP_TO}
        agreed = [{**line, "agreed_unit_price": {"amount": 1, "currency": "GBP"}}]
        for method, path, body in (
            ("POST", f"/orders/{order}/cancel", {}),
            ("PATCH", f"/orders/{order}", {"ship_to": _SHIP_TO}),
            ("POST", f"/orders/{order}/payments", {"token": "tok_ok"}),
            ("POST", f"/payments/{payment}/verify", None),
            ("POST", "/orders", {**wanted, "customer_id": str(place.owner)}),
            ("POST", "/orders", {**wanted, "lines": agreed}),
        ):
            answer = await client.request(method, path, json=body, headers={"Idempotency-Key": str(uuid4())})
            assert (answer.status_code, answer.json()["type"]) == (403, "/problems/no-longer-allowed"), f"{path} {body}"
        own = await client.post("/orders", json=wanted, headers={"Idempotency-Key": str(uuid4())})
        assert own.status_code == 201, own.text


_SHIP_TO = {"name": "S", "line1": "1 Mill Lane", "city": "London", "country": "GB"}


async def test_the_user_service_applies_its_own_changes() -> None:
    async with premises("user") as place:
        body = {"email": "second@example.com", "password": "correct horse battery", "full_name": "Second"}
        made = (await place.admin.post("/users", json={**body, "roles": ["Admin"]})).json()
        first = {**body, "email": "first@example.com", "roles": ["Admin"]}
        assert (await place.admin.post("/users", json=first)).status_code == 201
        second = place.client(role="Admin", user_id=UUID(made["id"]))
        account = {"email": "third@example.com", "password": "correct horse battery", "full_name": "Third"}
        assert (await place.admin.patch(f"/users/{made['id']}", json={"active": False})).status_code == 200
        answer = await second.post("/users", json={**account, "roles": ["Admin"]})
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/no-longer-allowed")


def test_operations_on_money_goods_and_permissions_are_sensitive() -> None:
    words = (":manage:any", "refunds:write", "stock:adjust", "prices:manage", "cancel:any", "write:any")
    assert {each for each in Permission if any(word in each for word in words)} <= SENSITIVE
