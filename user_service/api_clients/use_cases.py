"""Creates, changes and deletes API clients and their secrets, and authenticates them."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from contracts.events.users import ApiClientChanged
from service_kit.clock import utcnow
from service_kit.concurrency import Expected
from service_kit.database import Session
from service_kit.messaging import outbox
from service_kit.problems import not_found
from service_kit.security import Principal, account_status
from user_service.accounts import queries as accounts
from user_service.api_clients import queries
from user_service.api_clients.models import (
    MAX_SECRETS,
    ApiClient,
    ClientSecret,
    EndsTooLate,
    LastSecret,
    OwnerNotActive,
    TooManySecrets,
    matching,
)
from user_service.audit.models import Action, Actor, Origin
from user_service.audit.use_cases import changes_between, record
from user_service.base import hash_of, new_token
from user_service.mails import use_cases as mails
from user_service.mails.models import Purpose
from user_service.roles.grants import check_permissions

_NO_SECRET = ClientSecret(client_id=UUID(int=0), secret_hash=bytes(32))
"""Compared when there is no such client, so that the time does not reveal it."""


async def create(
    tx: Session, actor: Actor, days: int, *, owner_id: UUID | None, expires_at: datetime | None, **fields: Any
) -> tuple[ApiClient, ClientSecret, str]:
    """Returns the client, its secret's row and the secret itself, of which only a hash is stored. Its owner gets a
    mail.

    Raises: NotYoursToGive, OwnerNotActive, EndsTooLate.
    """
    await check_permissions(tx, actor.who, fields["permissions"])
    client = ApiClient(
        **fields,
        created_by=actor.id,
        owner_id=owner_id or await _owner_of_new(tx, actor.who),
        expires_at=_end_date(expires_at, days),
    )
    await _check_owner(tx, client.owner_id, is_new=owner_id is not None)
    tx.add(client)
    await tx.flush()
    await _publish(tx, client)
    changes = changes_between({}, client.recorded())
    facts = {"permissions": client.permissions, "owner": client.owner_id}
    _record(tx, actor, Action.API_CLIENT_CREATED, client, changes, **facts)
    await _notify_owner(tx, client.owner_id)
    return client, *_add_secret(tx, client)


async def change(
    tx: Session, actor: Actor, client_id: UUID, expected: Expected, days: int, fields: dict[str, Any]
) -> ApiClient:
    """Changes the fields. Removed permissions are rejected in issued tokens too, once the services receive the event.

    Raises: NotFound, PreconditionFailed, NotYoursToGive, OwnerNotActive, EndsTooLate.
    """
    if (new_owner := fields.get("owner_id")) or fields.get("active"):
        await _check_owner(tx, new_owner or await queries.owner_of(tx, client_id), is_new=new_owner is not None)
    client = await _lock(tx, actor, client_id, expected, fields.get("permissions", ()))
    before, owner = client.permissions, client.owner_id
    if expires_at := fields.get("expires_at"):
        _end_date(expires_at, days)
    if not (changes := client.change(**fields)):
        return client
    await _publish(tx, client)
    facts = {"before": before, "after": client.permissions, "active": client.active, "owner": client.owner_id}
    _record(tx, actor, Action.API_CLIENT_CHANGED, client, changes, **facts)
    if client.owner_id != owner:
        await _notify_owner(tx, client.owner_id)
    return client


async def disable_owned(tx: Session, origin: Origin, owner_id: UUID) -> None:
    """Disables an owner's clients, since a person who leaves may know the secrets. The account must be locked."""
    for client in await queries.lock_owned(tx, owner_id):
        changes = client.change(active=False)
        await _publish(tx, client)
        _record(tx, origin, Action.API_CLIENT_CHANGED, client, changes, active=False, owner=owner_id)


async def delete(tx: Session, actor: Actor, client_id: UUID, expected: Expected) -> None:
    """Raises: NotFound, PreconditionFailed, NotYoursToGive."""
    client = await _lock(tx, actor, client_id, expected)
    changes = changes_between(client.recorded(), {})
    client.change(active=False, permissions=[])
    client.version += 1  # so that the event is newer even if the client was disabled before
    await _publish(tx, client)
    await tx.delete(client)
    _record(tx, actor, Action.API_CLIENT_DELETED, client, changes)


async def add_secret(tx: Session, actor: Actor, client_id: UUID) -> tuple[ClientSecret, str]:
    """Adds a second secret, so that the first one works until the program is configured with the new one.

    Raises: NotFound, TooManySecrets; NotYoursToGive, since the secret gives all permissions of the client.
    """
    client = await _lock(tx, actor, client_id)
    if len(await queries.secrets_of(tx, [client_id])) >= MAX_SECRETS:
        raise TooManySecrets(most=MAX_SECRETS)
    _record(tx, actor, Action.API_CLIENT_SECRET_ADDED, client, {"secrets": None})
    return _add_secret(tx, client)


async def remove_secret(tx: Session, actor: Actor, client_id: UUID, secret_id: UUID) -> None:
    """Raises: NotFound, LastSecret, NotYoursToGive."""
    client = await _lock(tx, actor, client_id)
    found = await queries.secrets_of(tx, [client_id])
    going = next((secret for secret in found if secret.id == secret_id), None) or not_found("secret", secret_id)
    if len(found) == 1:
        raise LastSecret
    await tx.delete(going)
    _record(tx, actor, Action.API_CLIENT_SECRET_REMOVED, client, {"secrets": None}, secret=secret_id)


async def authenticate(tx: Session, client_id: str, secret: str, origin: Origin) -> ApiClient | None:
    """The client that has this secret; None if no client has it, or if the client is disabled or past its end date.

    If the client exists, the outcome is recorded in the audit log; the caller commits.
    """
    if not is_id(client_id):
        return None
    id = UUID(client_id)
    found = await queries.secrets_of(tx, [id])
    match = matching(found or [_NO_SECRET], hash_of(secret))
    client = await queries.by_id(tx, id)
    if client is None:
        return None
    by_client = replace(origin, actor_id=client.id)
    if match is None or not client.is_usable(utcnow()):
        wrong = "secret" if match is None else "client"
        _record(tx, by_client, Action.API_CLIENT_SIGN_IN_FAILED, client, wrong=wrong)
        return None
    await queries.record_use(tx, match.id)
    _record(tx, by_client, Action.API_CLIENT_SIGN_IN_SUCCEEDED, client)
    return client


def is_id(client_id: str) -> bool:
    """Whether a `client_id` is that of an API client, which is a UUID. That of a frontend is a name."""
    try:
        UUID(client_id)
    except ValueError:
        return False
    return True


async def _publish(tx: Session, client: ApiClient) -> None:
    """Publishes the client as it is now: every service keeps its account status."""
    fields = client.model_dump(include={"version", "active", "permissions", "expires_at"})
    event = ApiClientChanged(user_id=client.id, **fields)
    await outbox.add(tx, event)
    await account_status.update(tx, [event], [utcnow()])


def _end_date(wanted: datetime | None, days: int) -> datetime:
    """The wanted end date, or the latest that is allowed. Raises: EndsTooLate."""
    now, latest = utcnow(), utcnow() + timedelta(days=days)
    if wanted is not None and not now < wanted <= latest:
        raise EndsTooLate(days=days, latest=f"{latest:%Y-%m-%d}")
    return wanted or latest


async def _owner_of_new(tx: Session, who: Principal) -> UUID:
    """The default owner of a new client: the caller, or the owner of the API client that calls."""
    client = None if who.is_person else await queries.by_id(tx, who.user_id)
    return client.owner_id if client else who.user_id


async def _check_owner(tx: Session, owner_id: UUID | None, *, is_new: bool) -> None:
    """Checks that a new owner has an active account, and that the present one's is not disabled or erased. It locks the
    account, so that it can't be disabled meanwhile; accounts are always locked before API clients, to avoid deadlocks.
    Raises: OwnerNotActive."""
    if owner_id is None:
        return
    owner = await accounts.lock(tx, owner_id, shared=True)
    missing = is_new or await account_status.is_erased(tx, owner_id)
    if missing if owner is None else owner.is_guest or not owner.active:
        raise OwnerNotActive(owner_id=owner_id)


async def _notify_owner(tx: Session, owner_id: UUID) -> None:
    if owner := await accounts.by_id(tx, owner_id):
        mails.enqueue(tx, Purpose.API_CLIENT_CREATED, owner.email, owner.id)


async def _lock(
    tx: Session, actor: Actor, client_id: UUID, expected: Expected | None = None, added: Iterable[str] = ()
) -> ApiClient:
    """Locks the client, and checks that the actor may manage it as it is, and with the permissions `added`.

    Raises: NotFound, PreconditionFailed, NotYoursToGive.
    """
    client = await queries.lock(tx, client_id) or not_found("API client", client_id)
    (expected or Expected()).check(client.version)
    await check_permissions(tx, actor.who, {*client.permissions, *added})
    return client


def _record(
    tx: Session, origin: Origin, action: Action, client: ApiClient, changes: dict[str, Any] | None = None, **facts: Any
) -> None:
    record(tx, origin, action, changes=changes, client=client.id, **facts)


def _add_secret(tx: Session, client: ApiClient) -> tuple[ClientSecret, str]:
    secret = new_token()
    row = ClientSecret(client_id=client.id, secret_hash=hash_of(secret))
    tx.add(row)
    return row, secret
