"""Making API clients, changing their secrets, and knowing them again."""

import secrets
from uuid import UUID

from service_kit.database import Tx
from service_kit.http.etag import Expected
from service_kit.problems import not_found
from service_kit.security import Principal
from user_service.api_clients import queries
from user_service.api_clients.models import (
    MOST_SECRETS,
    ApiClient,
    ClientSecret,
    LastSecret,
    TooManySecrets,
    matching,
)
from user_service.audit.models import Action, Origin
from user_service.audit.use_cases import record
from user_service.roles.grants import check_permissions
from user_service.sessions.models import hash_of

_NOBODYS = ClientSecret(client_id=UUID(int=0), secret_hash=bytes(32))


async def create(
    tx: Tx, who: Principal, origin: Origin, name: str, permissions: list[str]
) -> tuple[ApiClient, ClientSecret, str]:
    """The client, its secret's row and the secret itself, which nobody can read again. Raises: NotYoursToGive."""
    await check_permissions(tx, who, permissions)
    client = ApiClient(name=name, permissions=sorted(permissions), created_by=who.user_id)
    tx.add(client)
    await tx.flush()
    record(tx, origin, Action.API_CLIENT_CREATED, None, client=str(client.id), permissions=client.permissions)
    return client, *_add_secret(tx, client)


async def read(tx: Tx, client_id: UUID) -> ApiClient:
    """Raises: NotFound."""
    return await queries.by_id(tx, client_id) or not_found("API client", client_id)


async def change(
    tx: Tx, who: Principal, origin: Origin, client_id: UUID, expected: Expected, *, permissions: list[str] | None,
    **fields: object,
) -> ApiClient:  # fmt: skip
    """Raises: NotFound, PreconditionFailed, NotYoursToGive. Reaches tokens with the next one."""
    client = await _lock(tx, client_id)
    expected.check(client.version)
    before = client.permissions
    after = before if permissions is None else sorted(permissions)
    enabled = fields.get("active") is True and not client.active
    await check_permissions(tx, who, after if enabled else set(before) ^ set(after))
    changes = {name: value for name, value in fields.items() if value is not None}
    client.change(permissions=after, **changes)
    record(
        tx,
        origin,
        Action.API_CLIENT_CHANGED,
        None,
        client=str(client_id),
        before=before,
        after=after,
        active=client.active,
    )
    return client


async def delete(tx: Tx, origin: Origin, client_id: UUID, expected: Expected) -> None:
    """Raises: NotFound, PreconditionFailed."""
    client = await _lock(tx, client_id)
    expected.check(client.version)
    await tx.delete(client)
    record(tx, origin, Action.API_CLIENT_DELETED, None, client=str(client_id))


async def add_secret(tx: Tx, who: Principal, origin: Origin, client_id: UUID) -> tuple[ClientSecret, str]:
    """Beside the one that is in use, so that the program can be told in peace.

    Raises: NotFound, TooManySecrets, NotYoursToGive (a secret is as good as what the client may).
    """
    client = await _lock(tx, client_id)
    await check_permissions(tx, who, client.permissions)
    if len(await queries.secrets_of(tx, [client_id])) >= MOST_SECRETS:
        raise TooManySecrets(most=MOST_SECRETS)
    record(tx, origin, Action.API_CLIENT_SECRET_ADDED, None, client=str(client_id))
    return _add_secret(tx, client)


async def remove_secret(tx: Tx, origin: Origin, client_id: UUID, secret_id: UUID) -> None:
    """Raises: NotFound, LastSecret."""
    await _lock(tx, client_id)
    found = await queries.secrets_of(tx, [client_id])
    going = next((secret for secret in found if secret.id == secret_id), None) or not_found("secret", secret_id)
    if len(found) == 1:
        raise LastSecret
    await tx.delete(going)
    record(tx, origin, Action.API_CLIENT_SECRET_REMOVED, None, client=str(client_id), secret=str(secret_id))


async def authenticate(tx: Tx, client_id: str, secret: str) -> ApiClient | None:
    """The client that this is the secret of; None where it is not, or where the client is disabled."""
    try:
        id = UUID(client_id)
    except ValueError:
        return None
    found = await queries.secrets_of(tx, [id])
    match = matching(found or [_NOBODYS], hash_of(secret))
    client = await queries.by_id(tx, id)
    if match is None or client is None or not client.active:
        return None
    await queries.note_use(tx, match.id)
    return client


async def _lock(tx: Tx, client_id: UUID) -> ApiClient:
    return await queries.lock(tx, client_id) or not_found("API client", client_id)


def _add_secret(tx: Tx, client: ApiClient) -> tuple[ClientSecret, str]:
    secret = secrets.token_urlsafe(32)
    row = ClientSecret(client_id=client.id, secret_hash=hash_of(secret))
    tx.add(row)
    return row, secret
