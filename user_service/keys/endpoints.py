"""What verifiers need to know (RFC 7517, RFC 8414, OpenID Connect Discovery)."""

import hashlib
import json
from typing import Annotated, Any

from fastapi import Header, Request, Response

from contracts.permissions import Permission
from service_kit.http.router import Router
from service_kit.security import PUBLIC
from service_kit.security.tokens import ALGORITHM
from user_service.auth.schemas import GRANTS
from user_service.keys.signer import Signer

router = Router(prefix="/.well-known", tags=["keys"])

IfNoneMatch = Annotated[str | None, Header(description="the `ETag` that you have: nothing new is a 304")]
CLAIMS = ("iss", "aud", "sub", "iat", "exp", "jti", "sid", "auth_time", "amr", "client_id", "roles", "permissions")


@router.get("/jwks.json", summary="Get the keys that verify access tokens", openapi_extra=PUBLIC, responses={304: {}})
async def jwks(request: Request, if_none_match: IfNoneMatch = None) -> Response:
    """May be kept for one refresh interval; a new key is published two of them before it signs."""
    signer: Signer = request.app.state.runtime.resource(Signer)
    seconds = int(signer.schedule.refresh.total_seconds())
    return _cached(await signer.public_keys(), if_none_match, seconds)


@router.get(
    "/openid-configuration", summary="Get the OpenID Connect metadata", openapi_extra=PUBLIC, responses={304: {}}
)
async def openid_configuration(request: Request, if_none_match: IfNoneMatch = None) -> Response:
    """Addresses and abilities of this issuer, for libraries that look for them here."""
    return _cached(_metadata(request), if_none_match, seconds=3600)


@router.get("/oauth-authorization-server", summary="Get the OAuth metadata", openapi_extra=PUBLIC, responses={304: {}})
async def authorization_server(request: Request, if_none_match: IfNoneMatch = None) -> Response:
    """The same, where OAuth 2.0 libraries look for it."""
    return _cached(_metadata(request), if_none_match, seconds=3600)


def _metadata(request: Request) -> dict[str, Any]:
    issuer = request.app.state.runtime.settings.public_issuer
    base = issuer.rstrip("/")
    return {
        "issuer": issuer,
        "jwks_uri": f"{base}/.well-known/jwks.json",
        "token_endpoint": f"{base}/auth/token",
        "revocation_endpoint": f"{base}/auth/revoke",
        "revocation_endpoint_auth_methods_supported": ["none"],
        "grant_types_supported": list(GRANTS),
        "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
        "scopes_supported": [permission.value for permission in Permission],
        "claims_supported": list(CLAIMS),
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "service_documentation": f"{base}/docs",
    }


def _cached(body: dict[str, Any], known: str | None, seconds: int) -> Response:
    content = json.dumps(body).encode()
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"Cache-Control": f"public, max-age={seconds}", "ETag": tag}
    if known is not None and tag in (each.strip().removeprefix("W/") for each in known.split(",")):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type="application/json", headers=headers)
