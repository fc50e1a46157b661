"""The time to verify a token: with its signature, and from the cache of verified tokens."""

import time
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jose.utils import base64url_decode

from benchmarks.figures import Result, Row, Spread, ratio, take_turns
from benchmarks.stage import Stage
from service_kit.database import Database
from service_kit.security.keys import KeyRing
from service_kit.security.tokens import TokenVerifier
from tests.harness import tokens

NEW = 200
AGAIN = 100_000


async def measure(_: Stage) -> Result:
    ring = KeyRing(_keys, cast(Database, None), refresh_seconds=300)  # the keys are fixed: no database is used
    await ring.refresh()
    found = await take_turns(
        {"verify": lambda: _verify(ring), "cached": lambda: _cached(ring), "openssl": _openssl, "dict": _look_up}
    )
    spreads = {name: Spread.of(values) for name, values in found.items()}
    rows = [
        Row(
            "verify a token (RS256)", spreads["verify"], "µs",
            "its signature alone, OpenSSL", spreads["openssl"], ratio(found["verify"], found["openssl"]),
        ),
        Row(
            "a token that was verified before", spreads["cached"], "µs",
            "a look into a dict", spreads["dict"], ratio(found["cached"], found["dict"]),
        ),
    ]  # fmt: skip
    return Result({"token_check_us": {name: round(spreads[name].median, 2) for name in ("verify", "cached")}}, rows)


async def _keys() -> dict[str, Any]:
    return tokens.key_set()


async def _verify(ring: KeyRing) -> float:
    verifier, new = TokenVerifier(ring, tokens.ISSUER), [tokens.token(role="User") for _ in range(NEW)]
    started = time.perf_counter()
    for token in new:
        verifier.verify(token)
    return 1e6 * (time.perf_counter() - started) / NEW


async def _cached(ring: KeyRing) -> float:
    verifier, token = TokenVerifier(ring, tokens.ISSUER), tokens.token(role="User")
    verifier.verify(token)
    started = time.perf_counter()
    for _ in range(AGAIN):
        verifier.verify(token)
    return 1e6 * (time.perf_counter() - started) / AGAIN


async def _openssl() -> float:
    """The lower limit: only the verification of the signature, without the claims."""
    key: Any = load_pem_public_key(tokens.signing_key().public_key().to_pem())
    signed, _, signature = tokens.token(role="User").rpartition(".")
    raw, words = base64url_decode(signature.encode()), signed.encode()
    started = time.perf_counter()
    for _ in range(NEW):
        key.verify(raw, words, PKCS1v15(), SHA256())
    return 1e6 * (time.perf_counter() - started) / NEW


async def _look_up() -> float:
    token = tokens.token(role="User")
    known = {token: token}
    started = time.perf_counter()
    for _ in range(AGAIN):
        known.get(token)
    return 1e6 * (time.perf_counter() - started) / AGAIN
