"""Verifies access tokens (RFC 9068): RS256 only, every claim required, and a cache, since a signature costs 90 µs."""

import time
from typing import Any
from uuid import UUID

from jose import jwt
from jose.exceptions import JOSEError

from contracts.permissions import Role
from service_kit.problems import InvalidToken
from service_kit.security.keys import KeyRing
from service_kit.security.principal import Principal
from service_kit.security.revocations import Revocations

AUDIENCE = "online-mart"
TOKEN_TYPE = "at+jwt"  # noqa: S105 (a media type, no secret)
ALGORITHM = "RS256"
MAX_TOKEN_LENGTH = 8192
CACHE_SIZE = 10_000
# The time until a token's signature is verified again. It is short, so that tokens of a removed key are soon rejected.
CACHE_SECONDS = 60
# The seconds by which the user service's clock may be ahead of ours.
CLOCK_SKEW = 60

_REQUIRED = {f"require_{claim}": True for claim in ("aud", "exp", "iat", "iss", "sub", "jti")}


class TokenVerifier:
    """Turns a bearer token into a Principal."""

    def __init__(self, keys: KeyRing, issuer: str, revocations: Revocations | None = None) -> None:
        self._keys = keys
        self._issuer = issuer
        self._revocations = revocations
        self._verified: dict[str, tuple[float, Principal]] = {}

    def verify(self, token: str) -> Principal:
        """Raises: InvalidToken; AccountClosed, SessionOver; KeysMissing (503) while no key was ever fetched."""
        now = time.time()
        known = self._verified.get(token)
        principal = known[1] if known is not None and now < known[0] else self._verify_uncached(token, now)
        if self._revocations is not None and self._revocations.any:
            self._revocations.check(principal)
        return principal

    def _verify_uncached(self, token: str, now: float) -> Principal:
        self._verified.pop(token, None)
        principal = self._verify_signature(token)
        if len(self._verified) >= CACHE_SIZE:
            self._forget_some(now)
        self._verified[token] = (min(now + CACHE_SECONDS, principal.expires_at), principal)
        return principal

    def _verify_signature(self, token: str) -> Principal:
        if len(token) > MAX_TOKEN_LENGTH:
            raise InvalidToken
        try:
            header = jwt.get_unverified_header(token)
            if header.get("typ") != TOKEN_TYPE or header.get("alg") != ALGORITHM or "crit" in header:
                raise InvalidToken  # extensions in `crit` must be understood; none is here (RFC 7515, 4.1.11)
            key = self._keys.find(header.get("kid"))
            claims = jwt.decode(
                token, key, algorithms=[ALGORITHM], audience=AUDIENCE, issuer=self._issuer, options=_REQUIRED
            )
            return _principal(claims)
        except (JOSEError, LookupError, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise InvalidToken from error

    def _forget_some(self, now: float) -> None:
        """Drops expired entries; if that frees too little, the oldest half (dicts keep the order of insertion)."""
        self._verified = {token: entry for token, entry in self._verified.items() if entry[0] > now}
        if len(self._verified) > CACHE_SIZE // 2:
            self._verified = dict(list(self._verified.items())[CACHE_SIZE // 2 :])


def _principal(claims: dict[str, Any]) -> Principal:
    permissions, session_id = claims.get("permissions", []), claims.get("sid")
    if not isinstance(permissions, list) or not all(isinstance(each, str) for each in permissions):
        raise ValueError("permissions that are no list of words")
    if not isinstance(claims["client_id"], str):
        raise ValueError("a client that is no name")
    if int(claims["iat"]) > time.time() + CLOCK_SKEW:
        raise ValueError("issued in the future")
    return Principal(
        user_id=UUID(claims["sub"]),
        permissions=frozenset(permissions),
        token_id=claims["jti"],
        expires_at=int(claims["exp"]),
        issued_at=int(claims["iat"]),
        client_id=claims["client_id"],
        session_id=UUID(session_id) if session_id is not None else None,
        # Without a session (an API client), the token was issued when the identity was proved.
        authenticated_at=int(claims.get("auth_time", claims["iat"])),
        is_guest=claims.get("roles") == [Role.GUEST],
    )
