"""Roles and the catalogue of permissions over HTTP."""

from typing import Annotated

from fastapi import Path, Response

from contracts.permissions import Permission
from service_kit.http.etag import IfMatch, tagged
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session
from service_kit.problems import NotFound, PreconditionFailed
from service_kit.security import Principal, Requires
from user_service.audit.endpoints import acting
from user_service.audit.models import Actor
from user_service.roles import queries, use_cases
from user_service.roles.models import BUILT_IN, NotYoursToGive, RoleBuiltIn, RoleExists, RoleInUse, TooManyRoles
from user_service.roles.schemas import PermissionOut, PermissionsOut, RoleChange, RoleIn, RoleOut, RolesOut

router = Router(tags=["roles"])

Manager = Annotated[Actor, acting("roles:manage")]
Name = Annotated[str, Path(max_length=40)]


@router.get("/permissions", summary="List permissions")
async def permissions(_: Annotated[Principal, Requires("users:read:any")]) -> PermissionsOut:
    """The catalogue of permissions that roles and API clients can have."""
    return PermissionsOut(items=[PermissionOut(name=p.value, description=p.description) for p in Permission])


@router.get("/roles", summary="List roles")
async def list_roles(tx: Session, _: Manager) -> RolesOut:
    """Built-in roles come first. All are listed without pages, since a shop has at most 200 roles of its own."""
    roles = [*map(use_cases.built_in, BUILT_IN), *await queries.listed(tx)]
    return RolesOut(items=[RoleOut.of(role) for role in roles])


@router.post(
    "/roles",
    status_code=201,
    summary="Create a role",
    responses=problems(RoleExists, TooManyRoles, NotYoursToGive),
)
async def create(body: RoleIn, tx: Session, manager: Manager, response: Response) -> RoleOut:
    """Creates a role with permissions that you have yourself. Assign it to accounts by `PATCH /users/{user_id}`."""
    role = await use_cases.create(tx, manager, **body.model_dump())
    response.headers["Location"] = f"/roles/{role.name}"
    return tagged(response, RoleOut.of(role), role.version)


@router.get("/roles/{name}", summary="Get a role", responses=problems(NotFound))
async def read(name: Name, tx: Session, _: Manager, response: Response) -> RoleOut:
    """The role with its permissions, and an `ETag` for a later change."""
    role = await use_cases.read(tx, name)
    return tagged(response, RoleOut.of(role), role.version)


@router.patch(
    "/roles/{name}",
    summary="Change a role",
    responses=problems(NotFound, RoleBuiltIn, PreconditionFailed, NotYoursToGive),
)
async def change(
    name: Name, body: RoleChange, expected: IfMatch, tx: Session, manager: Manager, response: Response
) -> RoleOut:
    """Accounts with the role get the change with their next access token. A removed permission to change more than the
    caller's own data is rejected earlier: as soon as the services receive the event."""
    role = await use_cases.change(tx, manager, name, expected, body.model_dump(exclude_none=True))
    return tagged(response, RoleOut.of(role), role.version)


@router.delete(
    "/roles/{name}",
    status_code=204,
    summary="Delete a role",
    responses=problems(NotFound, RoleBuiltIn, RoleInUse, PreconditionFailed, NotYoursToGive),
)
async def delete(name: Name, expected: IfMatch, tx: Session, manager: Manager) -> None:
    """Only a role that no account has can be deleted."""
    await use_cases.delete(tx, manager, name, expected)
