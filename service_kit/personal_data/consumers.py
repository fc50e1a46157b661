"""Handlers of the topic `users` for every service: for the account status, then for the service's own data."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from contracts.events.users import ApiClientChanged, SessionEnded, UserChanged, UserErased, UserMerged
from contracts.topics import USERS
from service_kit.database import Transaction
from service_kit.jobs import Job
from service_kit.messaging import Envelope, consumes
from service_kit.personal_data.models import Erase, Merge, PersonalData
from service_kit.runtime import Runtime
from service_kit.security import account_status


class UndeclaredErasure(TypeError):
    """The service does not declare how it erases personal data. Raised at start-up."""


def consumers_of(service: str, data: PersonalData) -> list[Callable[..., Awaitable[None]]]:
    """The service's handlers of the topic `users`; the publishing service has none. Raises: UndeclaredErasure."""
    if service in USERS.writers:
        return []
    if (erase := data.erase) is None:
        raise UndeclaredErasure(f"the service {service!r} names no function that erases personal data")

    @consumes(UserChanged, batch=True)
    async def update(tx: Transaction, events: list[UserChanged], envelopes: list[Envelope]) -> None:
        await account_status.update(tx, events, [envelope.time for envelope in envelopes])
        if data.on_user_changed is not None:
            await data.on_user_changed(tx, events)

    @consumes(UserErased, batch=True)
    async def erase_accounts(tx: Transaction, events: list[UserErased]) -> None:
        await account_status.erase(tx, events)
        await erase(tx, [event.user_id for event in events])

    @consumes(UserMerged, batch=True)
    async def merge_accounts(tx: Transaction, events: list[UserMerged]) -> None:
        await account_status.merge(tx, events)
        await _merge(tx, events, data.merge, erase)

    return [update, erase_accounts, merge_accounts, update_api_clients, end_sessions]


@consumes(ApiClientChanged, batch=True)
async def update_api_clients(tx: Transaction, events: list[ApiClientChanged], envelopes: list[Envelope]) -> None:
    """Updates the account status of API clients, which is like that of people."""
    await account_status.update(tx, events, [envelope.time for envelope in envelopes])


@consumes(SessionEnded)
async def end_sessions(tx: Transaction, event: SessionEnded) -> None:
    """Rejects tokens of these sessions from now on. Not in a batch: that has only each account's newest event."""
    await account_status.end_sessions(tx, event)


def jobs_of(data: PersonalData) -> list[Job]:
    """The jobs that repeat erasures and merges, if the service needs them."""

    async def erase_late(runtime: Runtime) -> None:
        await erase_again(runtime, data)

    async def merge_late(runtime: Runtime) -> None:
        await merge_again(runtime, data)

    erasing = [Job("erase-late-data", erase_late, every=timedelta(minutes=1))] if data.erase_late else []
    merging = [Job("merge-late-data", merge_late, every=timedelta(minutes=1))] if data.merge else []
    return [*erasing, *merging]


async def erase_again(runtime: Runtime, data: PersonalData) -> None:
    """Erases data of accounts that were erased in the last 90 days: added since, or not erasable until now."""
    assert data.erase_late is not None
    async with runtime.database.transaction() as tx:
        if erased := await account_status.recently_erased(tx):
            await data.erase_late(tx, erased)


async def merge_again(runtime: Runtime, data: PersonalData) -> None:
    """Moves data that was added since to the accounts that guests became part of in the last 90 days."""
    async with runtime.database.transaction() as tx:
        if merged := await account_status.recently_merged(tx):
            await _merge(tx, merged, data.merge, data.erase_late or data.erase)


async def _merge(tx: Transaction, events: Sequence[UserMerged], merge: Merge | None, erase: Erase | None) -> None:
    """Gives the data of each account to the one that it became part of.

    If that was erased, the data of both is erased: the erasure may have run at the same time as an earlier attempt.
    """
    if merge is None or erase is None:
        return
    erased = await account_status.erased_among(tx, {event.into for event in events})
    if moved := [event for event in events if event.into not in erased]:
        await merge(tx, moved)
    if gone := {id for event in events if event.into in erased for id in (event.user_id, event.into)}:
        await erase(tx, sorted(gone))
