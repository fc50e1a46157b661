"""One's own second factor over HTTP."""

from typing import Annotated

from fastapi import Depends, Request, Response

from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session
from service_kit.problems import NotFound
from service_kit.security import Principal, Requires
from user_service.audit.endpoints import FromWhere
from user_service.keys.vault import Vault
from user_service.mfa import queries
from user_service.mfa.models import MfaNotOn, MfaOnAlready, TooManyTries, WrongProof
from user_service.mfa.schemas import CodeProof, MfaOut, PasswordProof, Proof, RecoveryCodesOut, TotpOut
from user_service.mfa.use_cases import Mfa
from user_service.passwords.hashing import Passwords

router = Router(prefix="/auth/mfa", tags=["second factor"])

Owner = Annotated[Principal, Requires("mfa:write")]


async def mfa_of(request: Request) -> Mfa:
    runtime = request.app.state.runtime
    return Mfa(runtime.database, runtime.resource(Vault), runtime.resource(Passwords))


UseMfa = Annotated[Mfa, Depends(mfa_of)]


@router.get("", summary="Get my second factor")
async def read(tx: Session, who: Owner) -> MfaOut:
    """Whether each sign-in asks for a code, and how many recovery codes are left."""
    factor = await queries.by_account(tx, who.user_id)
    left = await queries.count_recovery_codes(tx, who.user_id)
    confirmed_at = factor.confirmed_at if factor else None
    return MfaOut(enabled=confirmed_at is not None, enabled_at=confirmed_at, recovery_codes_left=left)


@router.post(
    "/totp",
    status_code=201,
    summary="Start the setup of my second factor",
    responses=problems(NotFound, MfaOnAlready, WrongProof, TooManyTries),
)
async def begin(who: Owner, body: PasswordProof, mfa: UseMfa, origin: FromWhere, response: Response) -> TotpOut:
    """A secret for an app that shows codes (Aegis, Google Authenticator, 1Password …). Confirm it by a code."""
    response.headers["Cache-Control"] = "no-store"
    secret, uri = await mfa.begin(who.user_id, origin.by(who), body.password)
    return TotpOut(secret=secret, uri=uri)


@router.post(
    "/totp/confirm",
    summary="Enable my second factor",
    responses=problems(NotFound, MfaNotOn, MfaOnAlready, WrongProof, TooManyTries),
)
async def confirm(who: Owner, body: CodeProof, mfa: UseMfa, origin: FromWhere, response: Response) -> RecoveryCodesOut:
    """From now on each sign-in asks for a code. Keep the recovery codes; all other sessions end."""
    response.headers["Cache-Control"] = "no-store"
    return RecoveryCodesOut(recovery_codes=await mfa.confirm(who.user_id, origin.by(who), body.code))


@router.post(
    "/recovery-codes",
    status_code=201,
    summary="Create new recovery codes",
    responses=problems(NotFound, MfaNotOn, WrongProof, TooManyTries),
)
async def renew_recovery_codes(
    who: Owner, body: Proof, mfa: UseMfa, origin: FromWhere, response: Response
) -> RecoveryCodesOut:
    """Asks for the password and a code of the app (or a recovery code). The former ones are invalid."""
    response.headers["Cache-Control"] = "no-store"
    return RecoveryCodesOut(
        recovery_codes=await mfa.renew_recovery_codes(who.user_id, origin.by(who), **body.model_dump())
    )


@router.post(
    "/totp/disable",
    status_code=204,
    summary="Disable my second factor",
    responses=problems(NotFound, MfaNotOn, WrongProof, TooManyTries),
)
async def disable(who: Owner, body: Proof, mfa: UseMfa, origin: FromWhere) -> None:
    """Asks for the password and a code of the app, or a recovery code where the app is lost."""
    await mfa.remove(who.user_id, origin.by(who), **body.model_dump())
