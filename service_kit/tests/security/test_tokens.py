"""Which access tokens are accepted and which are rejected."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from jose import jwt

from service_kit.problems import Unauthenticated
from service_kit.security.keys import KeyRing, KeysMissing
from service_kit.security.tokens import CACHE_SIZE, TokenVerifier
from tests.harness import tokens


@pytest.fixture
async def verifier() -> TokenVerifier:
    return TokenVerifier(await _keys(tokens.key_set()), tokens.ISSUER)


async def _keys(key_set: dict[str, Any]) -> KeyRing:
    async def fetch() -> dict[str, Any]:
        return key_set

    keys = KeyRing(fetch, None, 300)  # type: ignore[arg-type]  # without a database, since nothing is stored
    await keys.refresh()
    return keys


async def test_a_valid_token_is_accepted(verifier: TokenVerifier) -> None:
    user_id = uuid4()
    who = verifier.verify(tokens.token("orders:read", user_id=user_id))
    assert (who.user_id, who.permissions) == (user_id, frozenset({"orders:read"}))
    assert who.may("orders:read")
    assert not who.may("orders:read:any")


async def test_a_clock_that_is_slightly_ahead_is_tolerated(verifier: TokenVerifier) -> None:
    assert verifier.verify(tokens.token(iat=int(time.time()) + 30))


async def test_an_api_client_differs_from_a_person(verifier: TokenVerifier) -> None:
    id, session = uuid4(), uuid4()
    robot = verifier.verify(tokens.token("stock:read", user_id=id, client_id=str(id)))
    assert (robot.user_id, robot.client_id, robot.is_person, robot.session_id) == (id, str(id), False, None)
    ada = verifier.verify(tokens.token(sid=str(session)))
    assert (ada.is_person, ada.session_id) == (True, session)


def _signed_with_the_public_key() -> str:
    """An algorithm confusion attack: HS256 with the public key as the secret."""

    def part(value: object) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    header = {"alg": "HS256", "typ": "at+jwt", "kid": tokens.KEY_ID}
    signed = part(header) + b"." + part(tokens.claims(uuid4(), []))
    secret = json.dumps(tokens.key_set()["keys"][0]).encode()
    mac = base64.urlsafe_b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).rstrip(b"=")
    return (signed + b"." + mac).decode()


def _without(claim: str) -> str:
    body = tokens.claims(uuid4(), [])
    del body[claim]
    return jwt.encode(body, tokens.signing_key(), "RS256", headers={"typ": "at+jwt", "kid": tokens.KEY_ID})


BAD: dict[str, Callable[[], str]] = {
    "no token at all": lambda: "nonsense",
    "empty": lambda: "",
    "cut short": lambda: tokens.token()[:-6],
    "oversized": lambda: tokens.token(note="x" * 9000),
    "expired": lambda: tokens.token(exp=int(time.time()) - 1),
    "not yet valid": lambda: tokens.token(nbf=int(time.time()) + 60),
    "another issuer": lambda: tokens.token(iss="http://elsewhere"),
    "another audience": lambda: tokens.token(aud="another-shop"),
    "another type": lambda: tokens.token(headers={"typ": "JWT"}),
    "made in the future": lambda: tokens.token(iat=int(time.time()) + 90, exp=int(time.time()) + 600),
    "a session that is no id": lambda: tokens.token(sid="mine"),
    "a client that is no name": lambda: tokens.token(client_id=7),
    "permissions that are no names": lambda: tokens.token(permissions=[["orders:read"]]),
    "an unknown key": lambda: tokens.token(headers={"kid": "unknown"}),
    "no key named": lambda: jwt.encode(
        tokens.claims(uuid4(), []), tokens.signing_key(), "RS256", headers={"typ": "at+jwt"}
    ),
    "HS256": _signed_with_the_public_key,
    "a subject that is no id": lambda: tokens.token(sub="ada"),
    "permissions that are no list": lambda: tokens.token(permissions="orders:read"),
    **{
        f"without {claim}": partial(_without, claim)
        for claim in ("exp", "iat", "iss", "aud", "sub", "jti", "client_id")
    },
}


@pytest.mark.parametrize("what", BAD)
async def test_an_invalid_token_is_rejected(verifier: TokenVerifier, what: str) -> None:
    with pytest.raises(Unauthenticated):
        verifier.verify(BAD[what]())


async def test_a_cached_token_is_rejected_after_its_expiry(
    verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = int(time.time()) + 5
    token = tokens.token(exp=end)
    assert verifier.verify(token) is verifier.verify(token)
    looked_at: list[str] = []
    monkeypatch.setattr(verifier, "_verify_signature", looked_at.append)
    monkeypatch.setattr(time, "time", lambda: end - 0.001)
    verifier.verify(token)
    assert looked_at == []
    monkeypatch.setattr(time, "time", lambda: float(end))
    with pytest.raises(AttributeError):  # since the replaced verification returns None
        verifier.verify(token)
    assert looked_at == [token]


async def test_tokens_of_a_removed_key_are_rejected_after_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = await _keys(tokens.key_set())
    verifier, token, now = TokenVerifier(keys, tokens.ISSUER), tokens.token(), time.time()
    verifier.verify(token)

    async def another() -> dict[str, Any]:
        return {"keys": [{**tokens.key_set()["keys"][0], "kid": "another"}]}

    keys.fetch = another
    await keys.refresh()
    monkeypatch.setattr(time, "time", lambda: now + 61)
    with pytest.raises(Unauthenticated):
        verifier.verify(token)


async def test_the_cache_is_bounded(verifier: TokenVerifier) -> None:
    who = verifier.verify(tokens.token())
    verifier._verified = {str(n): (time.time() + 60, who) for n in range(CACHE_SIZE)}
    verifier.verify(tokens.token())
    assert len(verifier._verified) <= CACHE_SIZE // 2 + 1


async def test_without_any_key_verification_raises_keys_missing() -> None:
    async def fetch() -> dict[str, Any]:
        return {"keys": []}

    keys = KeyRing(fetch, None, 300)  # type: ignore[arg-type]
    with pytest.raises(KeysMissing):
        TokenVerifier(keys, tokens.ISSUER).verify(tokens.token())
