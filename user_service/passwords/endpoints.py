"""Passwords over HTTP: changing one's own, getting a new one by mail, and asking how strong one is."""

from typing import Annotated

from fastapi import Depends, Request

from service_kit.http.answers import problems
from service_kit.http.router import Router
from service_kit.problems import TooManyRequests
from service_kit.security import PUBLIC, Principal, Requires
from user_service.audit.endpoints import FromWhere
from user_service.mails.models import TokenNotGood
from user_service.passwords.hashing import Passwords, PasswordTooWeak
from user_service.passwords.models import WrongPassword
from user_service.passwords.schemas import PasswordChange, Reset, ResetRequest, StrengthOut, StrengthRequest
from user_service.passwords.use_cases import PasswordDesk
from user_service.throttle.use_cases import Throttle

router = Router(tags=["passwords"])


async def desk_of(request: Request) -> PasswordDesk:
    runtime = request.app.state.runtime
    return PasswordDesk(runtime.database, runtime.resource(Passwords), runtime.resource(Throttle))


Desk = Annotated[PasswordDesk, Depends(desk_of)]


@router.put(
    "/users/me/password",
    status_code=204,
    summary="Change my password",
    responses=problems(WrongPassword, PasswordTooWeak, TooManyRequests),
)
async def change(
    body: PasswordChange, who: Annotated[Principal, Requires("users:write")], desk: Desk, origin: FromWhere
) -> None:
    """Asks for the present one, and ends all other sessions."""
    await desk.change(who, body.present_password, body.new_password, origin.by(who))


@router.post(
    "/auth/password-reset",
    status_code=202,
    summary="Request a password reset",
    openapi_extra=PUBLIC,
    responses=problems(TooManyRequests),
)
async def ask_for_reset(body: ResetRequest, desk: Desk, origin: FromWhere) -> None:
    """Mails a link and a code to the account's address. Where there is no account, the answer is the same."""
    await desk.ask_for_reset(body.email, origin)


@router.post(
    "/auth/password-reset/confirm",
    status_code=204,
    summary="Reset my password",
    openapi_extra=PUBLIC,
    responses=problems(TokenNotGood, PasswordTooWeak),
)
async def reset(body: Reset, desk: Desk, origin: FromWhere) -> None:
    """With the code of the mail, which is good once, for an hour. All sessions end: sign in with the new password."""
    await desk.reset(body.token, body.new_password, origin)


@router.post(
    "/auth/password-strength",
    summary="Check the strength of a password",
    openapi_extra=PUBLIC,
    responses=problems(TooManyRequests),
)
async def strength(body: StrengthRequest, desk: Desk, origin: FromWhere) -> StrengthOut:
    """For a meter beside the field: what registering would say, and what to do. Nothing of it is kept."""
    await desk.throttle.strength(origin)
    return StrengthOut.of(await desk.passwords.strength(body.password, body.email, body.full_name))
