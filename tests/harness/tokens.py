"""Access tokens like those of the user service, signed with a key of the tests."""

import time
from functools import cache
from typing import Any
from uuid import UUID, uuid4

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jose import jwk, jwt

from contracts.permissions import permissions_of

ISSUER = "http://users.test"
KEY_ID = "test-key"


@cache
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@cache
def signing_key() -> Any:
    """Read once: OpenSSL checks a private key's primes each time that it is read, which takes longer than a test."""
    return jwk.construct(private_key(), "RS256")


@cache
def key_set() -> dict[str, Any]:
    public = signing_key().public_key().to_dict()
    return {"keys": [{**public, "kid": KEY_ID, "use": "sig", "alg": "RS256"}]}


def claims(user_id: UUID, permissions: list[str], /, **changes: Any) -> dict[str, Any]:
    now = int(time.time())
    usual = {"iss": ISSUER, "aud": "online-mart", "sub": str(user_id), "iat": now, "exp": now + 600}
    return {**usual, "jti": str(uuid4()), "client_id": "online-mart", "permissions": permissions, **changes}


def token(
    *permissions: str, role: str | None = None, user_id: UUID | None = None, headers: dict[str, Any] | None = None,
    **changes: Any,
) -> str:  # fmt: skip
    """A valid token with these permissions and those of `role`; `changes` replaces claims, `headers` header fields."""
    granted = [*permissions, *(permissions_of([role]) if role else ())]
    body = claims(user_id or uuid4(), granted, **changes)
    return jwt.encode(body, signing_key(), "RS256", headers={"typ": "at+jwt", "kid": KEY_ID, **(headers or {})})
