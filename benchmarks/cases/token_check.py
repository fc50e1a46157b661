"""Verifying a token: its signature, and one that was verified a moment ago."""

import time
from typing import Any, cast

from benchmarks.figures import Result, Row, Spread, take_turns
from benchmarks.stage import Stage
from service_kit.database import Database
from service_kit.security.keys import KeyRing
from service_kit.security.tokens import TokenVerifier
from tests.harness import tokens

NEW = 200
AGAIN = 100_000


async def measure(_: Stage) -> Result:
    ring = KeyRing(_keys, cast(Database, None), refresh_seconds=300)  # nothing is kept: a database is not asked
    await ring.refresh()
    found = await take_turns({"verify": lambda: _verify(ring), "cached": lambda: _cached(ring)})
    rows = [
        Row("verify a token's signature (RS256)", Spread.of(found["verify"]), "µs"),
        Row("a token that was verified before", Spread.of(found["cached"]), "µs"),
    ]
    figures = {name: round(Spread.of(values).median, 2) for name, values in found.items()}
    return Result({"token_check_us": figures}, rows)


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
