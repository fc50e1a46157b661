"""Changing the caller's e-mail address over HTTP."""

from typing import Annotated

from fastapi import Response

from service_kit.http.etag import tagged
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session
from service_kit.problems import NotFound, TooManyRequests
from user_service.account_management.schemas import AccountOut
from user_service.accounts.models import EmailTaken, GuestAccount
from user_service.audit.endpoints import acting
from user_service.audit.models import Actor
from user_service.email_change import use_cases
from user_service.email_change.models import SameEmail, SecondFactorNeeded, WrongSecondFactor
from user_service.email_change.schemas import EmailChange
from user_service.mails.models import TokenNotGood
from user_service.mfa.endpoints import UseMfa
from user_service.mfa.models import TooManyTries
from user_service.passwords.endpoints import UsePasswordService
from user_service.passwords.models import WrongPassword
from user_service.verification.endpoints import EmailConfirmation

router = Router(prefix="/users/me/email", tags=["e-mail address"])

Writer = Annotated[Actor, acting("users:write")]


@router.post(
    "",
    status_code=202,
    summary="Request a change of my e-mail address",
    responses=problems(
        NotFound,
        SameEmail,
        WrongPassword,
        SecondFactorNeeded,
        WrongSecondFactor,
        TooManyTries,
        TooManyRequests,
        GuestAccount,
    ),
)
async def request_change(body: EmailChange, me: Writer, password_service: UsePasswordService, mfa: UseMfa) -> None:
    """Mails a link and a code to the new address, and a notice to the present one, if confirmed. Send the code to
    `POST /users/me/email/confirm`, within a day by default. A second request replaces the first.

    The response does not reveal whether another account has the new address. Only the mail says so.
    """
    await use_cases.request_change(password_service, mfa, me, body.new_email, body.present_password, body.otp)


@router.post(
    "/confirm",
    summary="Confirm my new e-mail address",
    responses=problems(NotFound, TokenNotGood, EmailTaken),
)
async def confirm(body: EmailConfirmation, tx: Session, me: Writer, response: Response) -> AccountOut:
    """Send the code that was mailed to the new address. The account then signs in with this address, which counts as
    confirmed, and all other sessions end."""
    account = await use_cases.confirm(tx, me, body.token)
    return tagged(response, AccountOut.of(account), account.version)
