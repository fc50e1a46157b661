"""Confirming an e-mail address over HTTP."""

from typing import Annotated

from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session
from service_kit.problems import TooManyRequests
from service_kit.schemas import RequestBody, examples
from service_kit.security import PUBLIC
from user_service.accounts.models import AlreadyVerified, GuestAccount
from user_service.audit.endpoints import FromWhere, acting
from user_service.audit.models import Actor
from user_service.base import resource
from user_service.mails.models import MailedToken, TokenNotGood
from user_service.throttle.use_cases import Throttle
from user_service.verification import use_cases

router = Router(prefix="/auth/verify-email", tags=["e-mail verification"])


class EmailConfirmation(RequestBody):
    model_config = examples({"token": "the code of the mail"})

    token: MailedToken


@router.post(
    "", status_code=204, summary="Confirm an e-mail address", openapi_extra=PUBLIC, responses=problems(TokenNotGood)
)
async def verify(body: EmailConfirmation, tx: Session, origin: FromWhere) -> None:
    """Send the code of the mail that follows registration. It is valid once, for a day by default."""
    await use_cases.verify(tx, body.token, origin)


@router.post(
    "/request",
    status_code=202,
    summary="Request another confirmation e-mail",
    responses=problems(AlreadyVerified, GuestAccount, TooManyRequests),
)
async def resend(
    tx: Session, me: Annotated[Actor, acting("users:write")], throttle: Annotated[Throttle, resource(Throttle)]
) -> None:
    """Sends another mail with another code. Earlier codes stay valid until one of them is used."""
    await use_cases.resend(tx, throttle, me)
