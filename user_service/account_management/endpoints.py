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
from user_service.accounts.models import Account, EmailTaken, LastAdmin, NotOneself, SignInAgain
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
    """Anyone may register and gets the role User; the account may sign in and order at once. A mail asks to confirm the
    address (`POST /auth/verify-email`): until then nothing else is mailed there.

    With a staff token (`users:manage:any`) it makes an account for somebody else: with any roles, and verified.
    """
    by, by_staff = origin.by(who) if who else origin, False
    if who is not None and who.may("users:manage:any"):
        by_staff = True
        await still_may(request, who, ["users:manage:any"])
        await grants.hold_roles(tx, body.roles)
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
    """Only what the body names is changed."""
    account = await use_cases.change(tx, me, me.id, expected, body.model_dump(exclude_none=True))
    return tagged(response, AccountOut.of(account), account.version)


@router.delete("/me", status_code=204, summary="Erase my account", responses=problems(NotFound, LastAdmin, SignInAgain))
async def erase_me(tx: Session, me: Writer, settings: Annotated[Settings, resource(Settings)]) -> None:
    """Erases the account and tells every service to forget the person; orders stay for the books, without a name.

    Asks for a sign-in of the last few minutes: a stolen token alone erases nobody.
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
        bool | None, Query(description="whether another account has the same e-mail address in another spelling")
    ] = None,
) -> Page[AccountOut]:
    """Newest first.

    Addresses collide where accounts were made before all spellings of an address counted as one. Such accounts go on as
    they are, each found by exactly the text that is stored; ask one of their owners to change the address, or to erase
    the account.
    """
    found = await queries.search(tx, page.position, text=q, role=role, active=active, colliding=colliding)
    return page.of(found, AccountOut.of)


@router.get("/{user_id}", summary="Get an account", responses=problems(NotFound))
async def read(
    user_id: UUID, tx: Session, _: Annotated[Principal, Requires("users:read:any")], response: Response
) -> AccountOut:
    """With its roles and whether it may sign in, and an `ETag` for a later change."""
    account = await queries.by_id(tx, user_id) or not_found(Account, user_id)
    return tagged(response, AccountOut.of(account), account.version)


@router.patch(
    "/{user_id}",
    summary="Change an account",
    responses=problems(NotFound, PreconditionFailed, NotOneself, LastAdmin, UnknownRole, NotYoursToGive),
)
async def change(
    user_id: UUID,
    body: AccountChange,
    expected: IfMatch,
    tx: Session,
    staff: Annotated[Actor, acting("users:manage:any")],
    response: Response,
) -> AccountOut:
    """Name, roles, and whether it may sign in. Disabling ends all its sessions and disables the API clients that it
    owns; its access tokens are rejected as soon as the services receive the event. Nobody changes who may do more than
    themselves."""
    account = await use_cases.change_by_staff(tx, staff, user_id, expected, body.model_dump(exclude_none=True))
    return tagged(response, AccountOut.of(account), account.version)
