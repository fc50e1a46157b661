"""The caller's second factor over HTTP."""

from typing import Annotated

from fastapi import Response

from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session
from service_kit.problems import NotFound
from user_service.accounts.models import GuestAccount
from user_service.audit.endpoints import acting
from user_service.audit.models import Actor
from user_service.base import resource
from user_service.mfa import queries
from user_service.mfa.models import MfaNotOn, MfaOnAlready, TooManyTries, WrongProof
from user_service.mfa.schemas import CodeProof, MfaOut, PasswordProof, Proof, RecoveryCodesOut, TotpOut
from user_service.mfa.use_cases import Mfa

router = Router(prefix="/auth/mfa", tags=["second factor"])

Owner = Annotated[Actor, acting("mfa:write")]
UseMfa = Annotated[Mfa, resource(Mfa)]


@router.get("", summary="Get my second factor")
async def read(tx: Session, me: Owner) -> MfaOut:
    """Whether each sign-in asks for a code, and how many recovery codes are left."""
    factor = await queries.by_account(tx, me.id)
    left = await queries.count_recovery_codes(tx, me.id)
    confirmed_at = factor.confirmed_at if factor else None
    return MfaOut(enabled=confirmed_at is not None, enabled_at=confirmed_at, recovery_codes_left=left)


@router.post(
    "/totp",
    status_code=201,
    summary="Start the setup of my second factor",
    responses=problems(NotFound, GuestAccount, MfaOnAlready, WrongProof, TooManyTries),
)
async def begin(me: Owner, body: PasswordProof, mfa: UseMfa, response: Response) -> TotpOut:
    """Returns a secret for an authenticator app (Aegis, Google Authenticator, 1Password …). Confirm it with a code."""
    response.headers["Cache-Control"] = "no-store"
    secret, uri = await mfa.begin(me, body.password)
    return TotpOut(secret=secret, uri=uri)


@router.post(
    "/totp/confirm",
    summary="Enable my second factor",
    responses=problems(NotFound, MfaNotOn, MfaOnAlready, WrongProof, TooManyTries),
)
async def confirm(me: Owner, body: CodeProof, mfa: UseMfa, response: Response) -> RecoveryCodesOut:
    """From now on each sign-in requires a code, and all other sessions end. Keep the recovery codes of the response."""
    response.headers["Cache-Control"] = "no-store"
    return RecoveryCodesOut(recovery_codes=await mfa.confirm(me, body.code))


@router.post(
    "/recovery-codes",
    status_code=201,
    summary="Create new recovery codes",
    responses=problems(NotFound, MfaNotOn, WrongProof, TooManyTries),
)
async def renew_recovery_codes(me: Owner, body: Proof, mfa: UseMfa, response: Response) -> RecoveryCodesOut:
    """Requires the password and a code of the app (or a recovery code). The former recovery codes become invalid."""
    response.headers["Cache-Control"] = "no-store"
    return RecoveryCodesOut(recovery_codes=await mfa.renew_recovery_codes(me, **body.model_dump()))


@router.post(
    "/totp/disable",
    status_code=204,
    summary="Disable my second factor",
    responses=problems(NotFound, MfaNotOn, WrongProof, TooManyTries),
)
async def disable(me: Owner, body: Proof, mfa: UseMfa) -> None:
    """Requires the password and a code of the app, or a recovery code if the app is lost."""
    await mfa.remove(me, **body.model_dump())
