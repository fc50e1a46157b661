"""The public keys that verify access tokens (RFC 7517)."""

import hashlib
import json
from typing import Annotated, Any

from fastapi import Response

from service_kit.http.etag import IfNoneMatch, is_known
from service_kit.http.router import Router
from service_kit.security import PUBLIC
from user_service.base import resource
from user_service.keys.signer import Signer

router = Router(prefix="/.well-known", tags=["keys"])


@router.get("/jwks.json", summary="Get the keys that verify access tokens", openapi_extra=PUBLIC, responses={304: {}})
async def jwks(signer: Annotated[Signer, resource(Signer)], if_none_match: IfNoneMatch = None) -> Response:
    """The keys may be cached for one refresh interval: a new key is published two intervals before it signs."""
    seconds = int(signer.schedule.refresh.total_seconds())
    return cached(await signer.public_keys(), if_none_match, seconds)


def cached(body: dict[str, Any], known: str | None, seconds: int) -> Response:
    content = json.dumps(body).encode()
    tag = hashlib.sha256(content).hexdigest()[:32]
    headers = {"Cache-Control": f"public, max-age={seconds}", "ETag": f'"{tag}"'}
    if is_known(known, tag):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type="application/json", headers=headers)
