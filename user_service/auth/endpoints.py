"""The token endpoint (RFC 6749), which Swagger UI's *Authorize* calls from every service's page."""

import base64
import binascii
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import unquote_plus

from fastapi import Depends, Form, Request, Response

from service_kit.http.problem_responses import problems
from service_kit.http.router import SCHEMA_OF_OTHERS, Router
from service_kit.http.sessions import Session
from service_kit.problems import TooManyRequests
from service_kit.security import PUBLIC
from service_kit.security.tokens import MAX_TOKEN_LENGTH
from user_service.audit.devices import LIFETIME, cookie_name
from user_service.audit.endpoints import FromWhere
from user_service.audit.models import Origin
from user_service.auth import use_cases
from user_service.auth.models import (
    InvalidClient,
    InvalidGrant,
    InvalidScope,
    InvalidTokenRequest,
    MfaRequired,
    UnauthorizedClient,
    UnsupportedGrant,
    UnsupportedTokenType,
    WrongCode,
)
from user_service.auth.oauth import OAuthRoute
from user_service.auth.schemas import GRANTS, MFA_OTP, TokensOut
from user_service.auth.use_cases import SignIn
from user_service.base import resource
from user_service.mfa.models import TooManyTries
from user_service.passwords.strength import LONGEST
from user_service.sessions import use_cases as sessions
from user_service.settings import Settings

router = Router(prefix="/auth", tags=["sign-in"], route_class=OAuthRoute)


@dataclass
class TokenForm:
    """The fields of all grants; each grant needs some of them."""

    grant_type: Annotated[str, Form(max_length=100, description=f"one of {', '.join(GRANTS)}")] = "password"
    username: Annotated[str | None, Form(max_length=320, description="the e-mail address")] = None
    password: Annotated[str | None, Form(max_length=4 * LONGEST)] = None
    otp: Annotated[str | None, Form(max_length=40, description="a code of the second factor")] = None
    mfa_token: Annotated[str | None, Form(max_length=500, description="from the problem `mfa-required`")] = None
    refresh_token: Annotated[str | None, Form(max_length=200)] = None
    client_id: Annotated[str | None, Form(max_length=100)] = None
    client_secret: Annotated[str | None, Form(max_length=200)] = None
    scope: Annotated[str, Form(max_length=8000, description="for API clients: some of their permissions")] = ""


@router.post(
    "/token",
    summary="Create an access token",
    openapi_extra=PUBLIC | SCHEMA_OF_OTHERS,
    response_model_exclude_none=True,
    responses=problems(
        InvalidTokenRequest,
        InvalidGrant,
        UnauthorizedClient,
        UnsupportedGrant,
        InvalidScope,
        MfaRequired,
        WrongCode,
        InvalidClient,
        TooManyTries,
        TooManyRequests,
    ),
)
async def token(
    request: Request,
    response: Response,
    sign_in: Annotated[SignIn, resource(SignIn)],
    origin: FromWhere,
    form: Annotated[TokenForm, Depends()],
) -> TokensOut:
    """Returns an access token, valid for ten minutes by default, and a refresh token, which gives the next pair once.

    If the account has a second factor, a password without `otp` gets the problem `mfa-required`. Send its `mfa_token`
    and, as `otp`, a code of the app or a recovery code to complete the sign-in. API clients get no refresh token.
    """
    response.headers["Cache-Control"] = "no-store"
    if form.grant_type not in GRANTS:
        raise UnsupportedGrant(fields=f"one of {', '.join(GRANTS)}")
    if form.grant_type == "password" and form.username and form.password:
        await _check_client(request, sign_in, origin, form)
        signed_in = await sign_in.by_password(form.username, form.password, origin, form.otp or None)
        return _with_device_cookie(*signed_in, response, sign_in.settings)
    if form.grant_type == MFA_OTP and form.mfa_token and form.otp:
        await _check_client(request, sign_in, origin, form)
        return _with_device_cookie(*await sign_in.by_code(form.mfa_token, form.otp, origin), response, sign_in.settings)
    if form.grant_type == "refresh_token" and form.refresh_token:
        return await sign_in.by_refresh_token(form.refresh_token, origin)
    if form.grant_type == "client_credentials":
        return await sign_in.by_client_secret(*_client_credentials(request, form), form.scope, origin)
    raise InvalidTokenRequest(reason=f"send {GRANTS[form.grant_type]} with this grant_type")


@router.post("/logout", status_code=204, summary="Sign out", openapi_extra=PUBLIC | SCHEMA_OF_OTHERS)
async def logout(tx: Session, origin: FromWhere, refresh_token: Annotated[str, Form(max_length=200)]) -> None:
    """Ends the session of this refresh token. Its access tokens are rejected as soon as the services receive the
    event."""
    await sessions.end_by_token(tx, refresh_token, origin)


@router.post(
    "/revoke",
    summary="Revoke a token",
    openapi_extra=PUBLIC | SCHEMA_OF_OTHERS,
    response_class=Response,
    responses=problems(InvalidTokenRequest, UnsupportedTokenType),
)
async def revoke(
    request: Request,
    tx: Session,
    origin: FromWhere,
    token: Annotated[str, Form(max_length=MAX_TOKEN_LENGTH, description="a refresh token or an access token")],
) -> Response:
    """Ends the session that the token belongs to, and so revokes all its tokens (RFC 7009). An unknown or expired token
    gets the same response. `token_type_hint` is not needed."""
    await use_cases.revoke(tx, request.app.state.runtime.tokens, token, origin)
    return Response(status_code=200, headers={"Cache-Control": "no-store"})


async def _check_client(request: Request, sign_in: SignIn, origin: Origin, form: TokenForm) -> None:
    """Checks that the client may send passwords. If any client may, its credentials are not checked: Swagger UI sends
    empty ones. Raises: UnauthorizedClient, InvalidClient."""
    if "*" not in sign_in.settings.may_send_passwords:
        await sign_in.check_password_client(*_client_credentials(request, form), origin)


def _with_device_cookie(tokens: TokensOut, device: str, response: Response, settings: Settings) -> TokensOut:
    """Sets the cookie by which the device is recognised. It grants no access, and is hidden from scripts."""
    response.set_cookie(
        cookie_name(settings.public_issuer),
        device,
        max_age=int(LIFETIME.total_seconds()),
        path="/auth/token",
        secure=settings.public_issuer.startswith("https:"),
        httponly=True,
        samesite="lax",
    )
    return tokens


def _client_credentials(request: Request, form: TokenForm) -> tuple[str, str]:
    """Id and secret: form-encoded in HTTP Basic (RFC 6749, 2.3.1), else from the form. Raises: InvalidClient."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return form.client_id or "", form.client_secret or ""
    try:
        id, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, ValueError) as error:
        raise InvalidClient from error
    return unquote_plus(id), unquote_plus(secret)
