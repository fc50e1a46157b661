"""Passwords over HTTP: change, reset by mail, and check of strength."""

from typing import Annotated

from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.problems import TooManyRequests
from service_kit.security import PUBLIC
from user_service.accounts.models import GuestAccount
from user_service.audit.endpoints import FromWhere, acting
from user_service.audit.models import Actor
from user_service.base import resource
from user_service.mails.models import TokenNotGood
from user_service.passwords.models import WrongPassword
from user_service.passwords.schemas import PasswordChange, Reset, ResetRequest, StrengthOut, StrengthRequest
from user_service.passwords.strength import PasswordTooWeak
from user_service.passwords.use_cases import PasswordService

router = Router(tags=["passwords"])

UsePasswordService = Annotated[PasswordService, resource(PasswordService)]


@router.put(
    "/users/me/password",
    status_code=204,
    summary="Change my password",
    responses=problems(WrongPassword, PasswordTooWeak, TooManyRequests, GuestAccount),
)
async def change(
    body: PasswordChange, me: Annotated[Actor, acting("users:write")], password_service: UsePasswordService
) -> None:
    """Requires the present password, and ends all other sessions."""
    await password_service.change(me, body.present_password, body.new_password)


@router.post(
    "/auth/password-reset",
    status_code=202,
    summary="Request a password reset",
    openapi_extra=PUBLIC,
    responses=problems(TooManyRequests),
)
async def request_reset(body: ResetRequest, password_service: UsePasswordService, origin: FromWhere) -> None:
    """Mails a link and a code to the account's address. The response does not reveal whether there is an account."""
    await password_service.request_reset(body.email, origin)


@router.post(
    "/auth/password-reset/confirm",
    status_code=204,
    summary="Reset my password",
    openapi_extra=PUBLIC,
    responses=problems(TokenNotGood, PasswordTooWeak),
)
async def reset(body: Reset, password_service: UsePasswordService, origin: FromWhere) -> None:
    """Send the code of the mail, which is valid once, for an hour by default. All sessions of the account end."""
    await password_service.reset(body.token, body.new_password, origin)


@router.post(
    "/auth/password-strength",
    summary="Check the strength of a password",
    openapi_extra=PUBLIC,
    responses=problems(TooManyRequests),
)
async def strength(body: StrengthRequest, password_service: UsePasswordService, origin: FromWhere) -> StrengthOut:
    """For a strength meter: whether registration would accept a password, and how to improve it. Nothing is stored."""
    await password_service.throttle.strength(origin)
    return StrengthOut.of(await password_service.passwords.strength(body.password, body.email, body.full_name))
