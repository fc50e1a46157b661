"""The token endpoint (RFC 6749), which Swagger UI's *Authorize* calls from every service's page."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Request, Response

from service_kit.http.answers import problems
from service_kit.security import PUBLIC
from user_service.accounts.passwords import LONGEST, Passwords
from user_service.auth import use_cases
from user_service.auth.models import InvalidGrant, UnsupportedGrant
from user_service.auth.schemas import TokensOut
from user_service.auth.use_cases import SignIn
from user_service.keys.signer import Signer

router = APIRouter(prefix="/auth", tags=["sign-in"])


async def sign_in_of(request: Request) -> SignIn:
    runtime = request.app.state.runtime
    return SignIn(runtime.database, runtime.resource(Passwords), runtime.resource(Signer), runtime.settings)


@router.post(
    "/token",
    summary="Sign in, or stay signed in",
    openapi_extra=PUBLIC,
    responses=problems(InvalidGrant, UnsupportedGrant),
)
async def token(
    response: Response,
    sign_in: Annotated[SignIn, Depends(sign_in_of)],
    grant_type: Annotated[Literal["password", "refresh_token"], Form()] = "password",
    username: Annotated[str | None, Form(max_length=320, description="the e-mail address")] = None,
    password: Annotated[str | None, Form(max_length=LONGEST)] = None,
    refresh_token: Annotated[str | None, Form(max_length=200)] = None,
) -> TokensOut:
    """An access token for ten minutes, and a refresh token that gives the next pair, once."""
    response.headers["Cache-Control"] = "no-store"
    if grant_type == "password" and username and password:
        return await sign_in.by_password(username, password)
    if grant_type == "refresh_token" and refresh_token:
        return await sign_in.by_refresh_token(refresh_token)
    raise UnsupportedGrant


@router.post("/logout", status_code=204, summary="Sign out", openapi_extra=PUBLIC)
async def logout(request: Request, refresh_token: Annotated[str, Form(max_length=200)]) -> None:
    """Ends the session of this refresh token. The access token ends by itself, within ten minutes."""
    await use_cases.sign_out(request.app.state.runtime.database, refresh_token)
