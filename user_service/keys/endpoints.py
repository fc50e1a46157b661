"""What verifiers need to know (RFC 7517, OpenID Connect Discovery)."""

from typing import Any

from fastapi import APIRouter, Request, Response

from service_kit.security import PUBLIC
from user_service.keys.signer import Signer

router = APIRouter(prefix="/.well-known", tags=["keys"])


@router.get("/jwks.json", summary="Keys to verify access tokens with", openapi_extra=PUBLIC)
async def jwks(request: Request, response: Response) -> dict[str, Any]:
    response.headers["Cache-Control"] = "public, max-age=300"
    keys: dict[str, Any] = await request.app.state.runtime.resource(Signer).public_keys()
    return keys


@router.get("/openid-configuration", summary="Where what is", openapi_extra=PUBLIC)
async def openid_configuration(request: Request) -> dict[str, Any]:
    issuer = request.app.state.runtime.settings.public_issuer.rstrip("/")
    return {
        "issuer": issuer,
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "token_endpoint": f"{issuer}/auth/token",
        "grant_types_supported": ["password", "refresh_token"],
        "token_endpoint_auth_methods_supported": ["none"],
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }
