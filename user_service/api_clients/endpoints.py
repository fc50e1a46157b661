"""API clients over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Response

from service_kit.http.etag import IfMatch, tagged
from service_kit.http.pagination import Page, PagedByTime
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session
from service_kit.problems import NotFound, PreconditionFailed, not_found
from user_service.api_clients import queries, use_cases
from user_service.api_clients.models import EndsTooLate, LastSecret, OwnerNotActive, TooManySecrets
from user_service.api_clients.schemas import (
    ApiClientChange,
    ApiClientIn,
    ApiClientOut,
    NewApiClientOut,
    NewSecretOut,
    SecretOut,
)
from user_service.audit.endpoints import acting
from user_service.audit.models import Actor
from user_service.base import resource
from user_service.roles.models import NotYoursToGive
from user_service.settings import Settings

router = Router(prefix="/api-clients", tags=["api-clients"])

Manager = Annotated[Actor, acting("api-clients:manage")]
UseSettings = Annotated[Settings, resource(Settings)]


@router.post(
    "",
    status_code=201,
    summary="Create an API client",
    responses=problems(NotYoursToGive, OwnerNotActive, EndsTooLate),
)
async def create(
    body: ApiClientIn, tx: Session, manager: Manager, settings: UseSettings, response: Response
) -> NewApiClientOut:
    """Creates a client with permissions that you have yourself. Keep the secret: only this response shows it.

    The program requests its tokens by `POST /auth/token` with `grant_type=client_credentials`.
    """
    client, row, secret = await use_cases.create(tx, manager, settings.api_client_days, **dict(body))
    response.headers["Location"] = f"/api-clients/{client.id}"
    response.headers["Cache-Control"] = "no-store"
    shown = ApiClientOut.of(client, [row]).model_dump()
    return tagged(response, NewApiClientOut(**shown, secret=secret), client.version)


@router.get("", summary="List API clients")
async def list_clients(page: PagedByTime, tx: Session, _: Manager) -> Page[ApiClientOut]:
    """Newest first."""
    found = await queries.listed(tx, page.position)
    secrets = await queries.secrets_of(tx, [client.id for client in found.rows])
    return page.of(found, lambda client: ApiClientOut.of(client, secrets))


@router.get("/{client_id}", summary="Get an API client", responses=problems(NotFound))
async def read(client_id: UUID, tx: Session, _: Manager, response: Response) -> ApiClientOut:
    """The client with its permissions and the ids of its secrets. The secrets themselves are never shown again."""
    client = await queries.by_id(tx, client_id) or not_found("API client", client_id)
    return tagged(response, ApiClientOut.of(client, await queries.secrets_of(tx, [client_id])), client.version)


@router.patch(
    "/{client_id}",
    summary="Change an API client",
    responses=problems(NotFound, PreconditionFailed, NotYoursToGive, OwnerNotActive, EndsTooLate),
)
async def change(
    client_id: UUID,
    body: ApiClientChange,
    expected: IfMatch,
    tx: Session,
    manager: Manager,
    settings: UseSettings,
    response: Response,
) -> ApiClientOut:
    """Changes the name, permissions, owner, end date, or whether the client gets tokens. Removed permissions are
    rejected in issued tokens too, as soon as the services receive the event. Callers can't change clients that have
    permissions which they lack."""
    fields = body.model_dump(exclude_none=True)
    client = await use_cases.change(tx, manager, client_id, expected, settings.api_client_days, fields)
    return tagged(response, ApiClientOut.of(client, await queries.secrets_of(tx, [client_id])), client.version)


@router.delete(
    "/{client_id}",
    status_code=204,
    summary="Delete an API client",
    responses=problems(NotFound, PreconditionFailed, NotYoursToGive),
)
async def delete(client_id: UUID, expected: IfMatch, tx: Session, manager: Manager) -> None:
    """Tokens that were issued to the client are rejected as soon as the services receive the event."""
    await use_cases.delete(tx, manager, client_id, expected)


@router.post(
    "/{client_id}/secrets",
    status_code=201,
    summary="Create another secret of an API client",
    responses=problems(NotFound, TooManySecrets, NotYoursToGive),
)
async def add_secret(client_id: UUID, tx: Session, manager: Manager, response: Response) -> NewSecretOut:
    """Both secrets work until you delete the old one. Only this response shows the new one."""
    row, secret = await use_cases.add_secret(tx, manager, client_id)
    response.headers["Cache-Control"] = "no-store"
    return NewSecretOut(**SecretOut.of(row).model_dump(), secret=secret)


@router.delete(
    "/{client_id}/secrets/{secret_id}",
    status_code=204,
    summary="Delete a secret of an API client",
    responses=problems(NotFound, LastSecret, NotYoursToGive),
)
async def remove_secret(client_id: UUID, secret_id: UUID, tx: Session, manager: Manager) -> None:
    """The secret can't be used to sign in any more."""
    await use_cases.remove_secret(tx, manager, client_id, secret_id)
