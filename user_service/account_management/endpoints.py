"""Accounts over HTTP: the caller's own under /users/me, and all accounts for staff."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response

from contracts.permissions import Role
from service_kit.http.etag import IfMatch, tagged
from service_kit.http.pagination import Page, PagedByTime
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session
from service_kit.problems import Forbidden, NotFound, PreconditionFailed, TooManyRequests, not_found
from service_kit.security import PUBLIC, MaybePrincipal, Principal, Requires, still_may
from user_service.account_management import use_cases
from user_service.account_management.schemas import AccountChange, AccountOut, ProfileChange, Registration
from user_service.accounts import queries
from user_service.accounts.models import Account, EmailTaken, GuestAccount, LastAdmin, NotOneself, SignInAgain
from user_service.audit.endpoints import FromWhere, acting
from user_service.audit.models import Actor
from user_service.base import resource
from user_service.passwords.endpoints import UsePasswordService
from user_service.passwords.strength import PasswordTooWeak
from user_service.roles import grants
from user_service.roles.models import NotYoursToGive, UnknownRole
from user_service.roles.schemas import RoleName
from user_service.settings import Settings

router = Router(prefix="/users", tags=["accounts"])

Writer = Annotated[Actor, acting("users:write")]


@router.post(
    "",
    status_code=201,
    summary="Create an account",
    openapi_extra=PUBLIC,
    responses=problems(EmailTaken, PasswordTooWeak, Forbidden, UnknownRole, NotYoursToGive, TooManyRequests),
)
async def register(
    body: Registration,
    tx: Session,
    password_service: UsePasswordService,
    origin: FromWhere,
    who: MaybePrincipal,
    response: Response,
    request: Request,
) -> AccountOut:
    """Anyone may register, and gets the role User. The account can sign in and order at once. A mail asks its owner to
    confirm the address (`POST /auth/verify-email`); no notices are mailed to an unconfirmed address.

    With `users:manage:any`, staff create accounts for others, with any roles and a confirmed address.
    """
    by, by_staff = origin.by(who) if who else origin, False
    if who is not None and who.may("users:manage:any"):
        by_staff = True
        await still_may(request, who, ["users:manage:any"])
        await grants.lock_roles(tx, body.roles)
        await grants.check_roles(tx, who, body.roles)
    elif body.roles != [Role.USER]:
        raise Forbidden(permission="users:manage:any")
    else:
        await password_service.throttle.request(origin)
    account = await use_cases.register(tx, password_service.passwords, by, **dict(body), verified=by_staff)
    response.headers["Location"] = f"/users/{account.id}" if by_staff else "/users/me"
    return tagged(response, AccountOut.of(account), account.version)


@router.get("/me", summary="Get my account", responses=problems(NotFound))
async def read_me(tx: Session, who: Annotated[Principal, Requires("users:read")], response: Response) -> AccountOut:
    """The caller's own account, with an `ETag` for a later change."""
    account = await queries.by_id(tx, who.user_id) or not_found(Account, who.user_id)
    return tagged(response, AccountOut.of(account), account.version)


@router.patch("/me", summary="Change my profile", responses=problems(NotFound, PreconditionFailed))
async def change_me(body: ProfileChange, expected: IfMatch, tx: Session, me: Writer, response: Response) -> AccountOut:
    """An absent field is not changed."""
    account = await use_cases.change(tx, me, me.id, expected, body.columns())
    return tagged(response, AccountOut.of(account), account.version)


@router.delete("/me", status_code=204, summary="Erase my account", responses=problems(NotFound, LastAdmin, SignInAgain))
async def erase_me(tx: Session, me: Writer, settings: Annotated[Settings, resource(Settings)]) -> None:
    """Erases the account, and publishes an event on which all services erase their data about its owner. Orders are
    kept for accounting, without the name. This requires a sign-in within the last 15 minutes (by default), so that a
    stolen token is not enough.
    """
    await use_cases.erase(tx, me, timedelta(minutes=settings.fresh_sign_in_minutes))


@router.get("", summary="Search accounts")
async def search(
    page: PagedByTime,
    tx: Session,
    _: Annotated[Principal, Requires("users:read:any")],
    q: Annotated[str | None, Query(max_length=100, description="part of the name or the e-mail address")] = None,
    role: RoleName | None = None,
    active: bool | None = None,
    colliding: Annotated[
        bool | None,
        Query(description="true: only accounts whose address another account has in another spelling"),
    ] = None,
) -> Page[AccountOut]:
    """Newest first.

    Accounts that were created before all spellings of an address counted as one may have colliding addresses. They keep
    working: each one signs in with exactly the spelling that is stored. Ask one of the owners to change the address or
    to erase the account.
    """
    found = await queries.search(tx, page.position, text=q, role=role, active=active, colliding=colliding)
    return page.of(found, AccountOut.of)


@router.get("/{user_id}", summary="Get an account", responses=problems(NotFound))
async def read(
    user_id: UUID, tx: Session, _: Annotated[Principal, Requires("users:read:any")], response: Response
) -> AccountOut:
    """The account with its roles, and an `ETag` for a later change. Only an `active` account can sign in."""
    account = await queries.by_id(tx, user_id) or not_found(Account, user_id)
    return tagged(response, AccountOut.of(account), account.version)


@router.patch(
    "/{user_id}",
    summary="Change an account",
    responses=problems(NotFound, PreconditionFailed, NotOneself, LastAdmin, UnknownRole, NotYoursToGive, GuestAccount),
)
async def change(
    user_id: UUID,
    body: AccountChange,
    expected: IfMatch,
    tx: Session,
    staff: Annotated[Actor, acting("users:manage:any")],
    response: Response,
) -> AccountOut:
    """Changes the name, the roles, or whether the account can sign in. Disabling it ends all its sessions and disables
    the API clients that it owns; its access tokens are rejected as soon as the services receive the event. Callers
    can't change accounts that have permissions which they lack."""
    account = await use_cases.change_by_staff(tx, staff, user_id, expected, body.columns())
    return tagged(response, AccountOut.of(account), account.version)
