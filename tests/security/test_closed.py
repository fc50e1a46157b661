"""Every operation rejects closed accounts, API clients and sessions, although their tokens are still valid."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from contracts.events import Event
from contracts.events.users import ApiClientChanged, EndedSession, SessionEnded, UserChanged, UserErased, UserMerged
from contracts.permissions import permissions_of
from service_kit.clock import utcnow
from service_kit.database import Database
from service_kit.security import account_status
from service_kit.security.revocations import PermissionRevoked, Revocations, SessionOver
from tests.harness import tokens
from tests.harness.service import Served
from tests.security.operations import SERVICES
from tests.security.seeded_service import SeededService, seeded_service

USER, SESSION = uuid4(), uuid4()
NO_LONGER, OVER = (403, "/problems/no-longer-allowed"), (401, "/problems/session-over")


@pytest.fixture(params=SERVICES)
async def seeded(request: pytest.FixtureRequest) -> AsyncIterator[SeededService]:
    async with seeded_service(request.param) as made:
        yield made


def changed(user_id: UUID, version: int, *, active: bool = True, ended: tuple[UUID, ...] = ()) -> UserChanged:
    return UserChanged(
        user_id=user_id, version=version, email="s@example.com", full_name="S", roles=["User"], active=active,
        email_verified=True, ended_sessions=[EndedSession(session_id=id, ended_at=utcnow()) for id in ended],
    )  # fmt: skip


def client(version: int, *, active: bool = True, lasts: timedelta | None = None) -> ApiClientChanged:
    expires_at = utcnow() + lasts if lasts is not None else None
    return ApiClientChanged(
        user_id=USER, version=version, active=active, permissions=["orders:write"], expires_at=expires_at
    )


async def deliver(served: Served, event: Event) -> None:
    """Applies the event. The user service consumes none of its own, and applies it in the transaction instead."""
    if served.runtime.settings.service != "user":
        await served.deliver(event)
        return
    async with served.runtime.database.transaction() as tx:
        if isinstance(event, UserErased):
            await account_status.erase(tx, [event])
        elif isinstance(event, UserMerged):
            await account_status.merge(tx, [event])
        elif isinstance(event, SessionEnded):
            await account_status.end_sessions(tx, event)
        elif isinstance(event, UserChanged | ApiClientChanged):
            await account_status.update(tx, [event], [utcnow()])


async def rejections(seeded: SeededService, token: str) -> set[tuple[int, str]]:
    """The distinct responses of all operations that take a token."""
    found, caller = set(), seeded.served.client(token)
    for operation in seeded.operations:
        if operation.takes_token:
            answer = await caller.request(operation.method, operation.url({}), **operation.request())
            found.add((answer.status_code, answer.json()["type"] if answer.is_error else ""))
    return found


@pytest.mark.parametrize(
    ("closing", "rejection"),
    [
        (lambda: changed(USER, 2, active=False), NO_LONGER),
        (lambda: UserErased(user_id=USER, version=2), NO_LONGER),
        (lambda: UserMerged(user_id=USER, version=2, into=uuid4()), NO_LONGER),
        (lambda: client(2, active=False), NO_LONGER),
        (lambda: SessionEnded(user_id=USER, version=2, session_ids=[SESSION], ended_at=utcnow()), OVER),
        (lambda: changed(USER, 3, ended=(SESSION,)), OVER),
    ],
    ids=["disabled", "erased", "merged", "API client", "session", "session, from a snapshot of the account"],
)
async def test_every_operation_rejects_closed_accounts(
    seeded: SeededService, closing: Callable[[], Event], rejection: tuple[int, str]
) -> None:
    """This includes operations on the caller's own data, such as ordering, paying and erasing the account."""
    held = {permission for operation in seeded.operations for permission in operation.permissions or ()}
    token = tokens.token(*held, user_id=USER, sid=str(SESSION))
    assert not {NO_LONGER, OVER} & await rejections(seeded, token)
    await deliver(seeded.served, closing())
    assert await rejections(seeded, token) == {rejection}


async def test_an_account_that_is_enabled_again_can_use_a_new_token(seeded: SeededService) -> None:
    own = next(o for o in seeded.operations if o.is_ones_own and o.method == "get" and not o.parameters)
    await deliver(seeded.served, changed(USER, 2, active=False))
    await deliver(seeded.served, changed(USER, 3))
    answer = await seeded.client(role="User", user_id=USER).get(own.path)
    assert answer.status_code not in (401, 403), answer.text
    await deliver(seeded.served, changed(USER, 2, active=False))  # an old event that is delivered again
    assert (await seeded.client(role="User", user_id=USER).get(own.path)).status_code not in (401, 403)


async def test_another_process_applies_the_revocation_and_prunes_it() -> None:
    """Processes of the role `api` consume no events: they read the revocations that the consumer has stored."""
    async with seeded_service("order") as seeded:
        elsewhere = Database.of(seeded.served.runtime.settings)
        seen = Revocations(elsewhere, 0.05)
        await seen.start()
        token = seeded.served.runtime.tokens.verify(tokens.token(role="User", user_id=USER, sid=str(SESSION)))
        seen.check(token)
        for closing, opening in (
            (changed(USER, 2, active=False), changed(USER, 3)),
            (client(4, lasts=timedelta(seconds=-1)), client(5, lasts=timedelta(days=1))),
            (SessionEnded(user_id=USER, version=6, session_ids=[SESSION], ended_at=utcnow()), None),
        ):
            await deliver(seeded.served, closing)
            await seen.refresh()
            with pytest.raises((PermissionRevoked, SessionOver)):
                seen.check(token)
            if opening is not None:
                await deliver(seeded.served, opening)
                await seen.refresh()
                seen.check(token)
        await seen.stop()
        await elsewhere.close()


async def test_a_new_process_knows_earlier_revocations() -> None:
    async with seeded_service("order") as seeded:
        await deliver(seeded.served, UserErased(user_id=USER, version=2))
        new = Revocations(seeded.served.runtime.database, 60)
        await new.start()
        with pytest.raises(PermissionRevoked):
            new.check(seeded.served.runtime.tokens._verify_uncached(tokens.token(role="User", user_id=USER), 0))
        await new.stop()


async def test_a_rolled_back_closure_revokes_nothing() -> None:
    async with seeded_service("order") as seeded:
        with suppress(RuntimeError):
            async with seeded.served.runtime.database.transaction() as tx:
                await account_status.erase(tx, [UserErased(user_id=USER, version=2)])
                raise RuntimeError
        assert seeded.served.runtime.tokens.verify(tokens.token(role="User", user_id=USER))


async def test_an_api_client_is_rejected_after_its_end_date_before_its_token_expires() -> None:
    async with seeded_service("product") as seeded:
        token = tokens.token(role="Admin", user_id=USER, client_id=str(USER), iat=int(time.time()) - 60)
        body = {"name": "Tea", "slug": "tea"}
        assert (await seeded.served.client(token).post("/categories", json=body)).status_code != 403
        event = ApiClientChanged(
            user_id=USER, version=1, active=True, permissions=sorted(permissions_of(["Admin"])),
            expires_at=utcnow() - timedelta(seconds=1),
        )  # fmt: skip
        await deliver(seeded.served, event)
        rejected = await seeded.served.client(token).post("/categories", json=body)
        assert (rejected.status_code, rejected.json()["type"]) == NO_LONGER
