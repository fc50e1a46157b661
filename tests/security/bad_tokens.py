"""Tokens that must be rejected: those of the kit's own tests, and forgeries that attackers are known to try."""

import base64
import json
import time
from collections.abc import Callable
from functools import cache
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from jose import jwk, jwt

from contracts.permissions import Role, permissions_of
from service_kit.tests.security.test_tokens import BAD
from tests.harness import tokens


def admins(**changes: Any) -> str:
    """An administrator's token, which every operation accepts, with `changes` to its claims."""
    return tokens.token(role="Admin", **changes)


def _header(**fields: Any) -> str:
    return admins(headers=fields)


@cache
def _attackers_key() -> Any:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return jwk.construct(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(), "RS256")


def _by_attacker(**header: Any) -> str:
    claims = tokens.claims(uuid4(), sorted(permissions_of([Role.ADMIN])))
    usual = {"typ": "at+jwt", "kid": tokens.KEY_ID}
    return jwt.encode(claims, _attackers_key(), "RS256", headers={**usual, **header})


def _attackers_jwk() -> dict[str, Any]:
    public: dict[str, Any] = _attackers_key().public_key().to_dict()
    return {**public, "kid": tokens.KEY_ID}


def _unsigned(algorithm: str) -> str:
    """A token with `alg: none`."""
    return f"{_part({'alg': algorithm, 'typ': 'at+jwt', 'kid': tokens.KEY_ID})}.{admins().split('.')[1]}."


def _signed_with(secret: bytes) -> str:
    """A token with an HMAC signature; the attack uses the public key, which everyone has, as the secret."""
    header = {"typ": "at+jwt", "kid": tokens.KEY_ID}
    key = jwk.HMACKey({"kty": "oct", "k": _encoded(secret)}, "HS256")
    return jwt.encode(tokens.claims(uuid4(), ["users:manage:any"]), key, "HS256", headers=header)


def _public_pem() -> bytes:
    private = load_pem_private_key(tokens.private_key().encode(), password=None)
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _other_claims(**changes: Any) -> str:
    """A token whose claims were changed after it was signed."""
    header, body, signature = admins().split(".")
    padded = body + "=" * (-len(body) % 4)
    return f"{header}.{_part({**json.loads(base64.urlsafe_b64decode(padded)), **changes})}.{signature}"


def _part(value: object) -> str:
    return _encoded(json.dumps(value).encode())


def _encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _now() -> int:
    return int(time.time())


FORGED: dict[str, Callable[[], str]] = {
    "alg none": lambda: _unsigned("none"),
    "alg None": lambda: _unsigned("None"),
    "signature left out": lambda: admins().rpartition(".")[0] + ".",
    "signed by HMAC with the public key": lambda: _signed_with(_public_pem()),
    "signed by HMAC with nothing": lambda: _signed_with(b""),
    "another's signature": lambda: admins().rpartition(".")[0] + "." + admins().rpartition(".")[2],
    "another subject": lambda: _other_claims(sub=str(uuid4())),
    "signed by an attacker": _by_attacker,
    "jku": lambda: _by_attacker(jku="http://attacker.test/jwks.json"),
    "jwk": lambda: _by_attacker(jwk=_attackers_jwk()),
    "x5u": lambda: _by_attacker(x5u="http://attacker.test/cert.pem"),
    "x5c": lambda: _by_attacker(x5c=[_encoded(b"certificate")]),
    "kid of a file": lambda: _by_attacker(kid="/dev/null"),
    "kid with SQL": lambda: _by_attacker(kid="' OR 1=1 --"),
    "kid a number": lambda: _header(kid=1),
    "kid a list": lambda: _header(kid=[tokens.KEY_ID]),
    "typ of an ID token": lambda: _header(typ="id_token"),
    "typ a list": lambda: _header(typ=["at+jwt"]),
    "crit": lambda: _header(crit=["exp"], exp=_now() + 600),
    "five parts": lambda: ".".join([*admins().split("."), "x", "x"]),
    "two parts": lambda: admins().rpartition(".")[0],
    "not base64": lambda: "ä.ö.ü".encode().decode("latin-1"),
    "header a list": lambda: ".".join([_part([]), *admins().split(".")[1:]]),
    "header nested deep": lambda: ".".join([_encoded(b"[" * 5000), *admins().split(".")[1:]]),
    "claims nested deep": lambda: ".".join([admins().split(".")[0], _encoded(b"[" * 5000), "x"]),
    "issued in the future": lambda: admins(iat=_now() + 3600, exp=_now() + 7200),
    "issued as a word": lambda: admins(iat="now"),
    "ends as a word": lambda: admins(exp="never"),
    "ends nowhere": lambda: admins(exp=None),
    "ends at infinity": lambda: admins(exp=float("inf")),
    "not before a word": lambda: admins(nbf="now"),
    "audience of others": lambda: admins(aud=["another-shop", "a-third"]),
    "audience a number": lambda: admins(aud=1),
    "no audience": lambda: admins(aud=None),
    "issuer as a list": lambda: admins(iss=[tokens.ISSUER]),
    "issuer with a slash": lambda: admins(iss=tokens.ISSUER + "/"),
    "subject a number": lambda: admins(sub=1),
    "subject null": lambda: admins(sub=None),
    "token id a number": lambda: admins(jti=1),
    "token id null": lambda: admins(jti=None),
    "permissions as an object": lambda: admins(permissions={"users:manage:any": True}),
    "permissions null": lambda: admins(permissions=None),
    "permissions of numbers": lambda: admins(permissions=[1, 2]),
    "oversized": lambda: admins(note="x" * 20_000),
}

ALL: dict[str, Callable[[], str]] = {**{f"kit: {what}": make for what, make in BAD.items()}, **FORGED}
