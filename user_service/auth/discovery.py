"""The metadata of this issuer (RFC 8414, OpenID Connect Discovery)."""

from typing import Any

from fastapi import Request, Response

from contracts.permissions import Permission
from service_kit.http.etag import IfNoneMatch
from service_kit.http.router import Router
from service_kit.security import PUBLIC
from service_kit.security.tokens import ALGORITHM
from user_service.auth.schemas import GRANTS
from user_service.keys.endpoints import cached

router = Router(prefix="/.well-known", tags=["keys"])

CLAIMS = ("iss", "aud", "sub", "iat", "exp", "jti", "sid", "auth_time", "amr", "client_id", "roles", "permissions")


@router.get(
    "/openid-configuration", summary="Get the OpenID Connect metadata", openapi_extra=PUBLIC, responses={304: {}}
)
async def openid_configuration(request: Request, if_none_match: IfNoneMatch = None) -> Response:
    """The issuer's endpoints and what it supports, at the address of OpenID Connect."""
    return cached(_metadata(request), if_none_match, seconds=3600)


@router.get("/oauth-authorization-server", summary="Get the OAuth metadata", openapi_extra=PUBLIC, responses={304: {}})
async def authorization_server(request: Request, if_none_match: IfNoneMatch = None) -> Response:
    """The same document, at the address of OAuth 2.0 (RFC 8414)."""
    return cached(_metadata(request), if_none_match, seconds=3600)


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
