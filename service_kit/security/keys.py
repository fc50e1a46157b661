"""The user service's public keys: fetched in the background, and stored in the service's own database.

So a service starts and verifies tokens even while the user service is down, and no request ever waits for a fetch.
"""

import asyncio
import json
import ssl
import time
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

import httpx
import structlog
from jose import jwk

from service_kit.database import Database, Statement
from service_kit.database.faults import database_is_unavailable
from service_kit.problems import InvalidToken, Problem
from service_kit.telemetry import metrics
from service_kit.waiting import passed

log = structlog.get_logger(__name__)

FetchKeys = Callable[[], Awaitable[dict[str, Any]]]
UNKNOWN_KEY_PAUSE = 30.0
"""Least seconds between two fetches because of unknown key ids, so that invented ids can't cause many requests."""
RETRY_PAUSE = 2.0
FETCH_SECONDS = 10
MOST_BYTES = 100_000
MOST_KEYS = 100
LEAST_KEY_BITS = 2048

LOAD = Statement("""
SELECT jwks, extract(epoch FROM now() - fetched_at)::float8 AS age FROM verification_keys WHERE id = 1
""")
STORE = Statement("""
INSERT INTO verification_keys (id, jwks, fetched_at) VALUES (1, :jwks::jsonb, now())
ON CONFLICT (id) DO UPDATE SET jwks = excluded.jwks, fetched_at = excluded.fetched_at
""")


class KeysMissing(Problem, status=503, type="verification-keys-missing"):
    """The keys that tokens are verified with were not fetched yet: try again shortly."""


class UnusableKeySet(ValueError):
    """The response is no usable key set; the keys in use stay."""


class KeyRing:
    """The keys that tokens are verified with, by key id."""

    def __init__(self, fetch: FetchKeys, database: Database, refresh_seconds: float) -> None:
        self.fetch = fetch
        self._database = database
        self._refresh_seconds = refresh_seconds
        self._keys: dict[str, Any] = {}
        self._jwks: dict[str, Any] = {}
        self._wake = asyncio.Event()
        self._fetched_at = float("-inf")
        self._task: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        return bool(self._keys)

    def age(self) -> float:
        """Seconds since the keys in use were fetched by this or another process; infinite if there are none."""
        return time.time() - self._fetched_at

    def find(self, key_id: object) -> Any:
        """Raises: KeysMissing, InvalidToken (an unknown id, which wakes the refresher)."""
        if not self._keys:
            raise KeysMissing(retry_after=1)
        if not isinstance(key_id, str) or (key := self._keys.get(key_id)) is None:
            self._wake.set()
            raise InvalidToken
        return key

    async def start(self) -> None:
        """Loads the stored keys, and starts to refresh them in the background."""
        metrics.KEYS_AGE.set_function(self.age)
        await self._load()
        self._task = asyncio.create_task(self._keep_fresh(), name="verification-keys")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def refresh(self) -> None:
        """Fetches once. Raises what the fetch raises, or UnusableKeySet; then the keys in use stay."""
        self._use(await self.fetch())

    async def _keep_fresh(self) -> None:
        while True:
            self._wake.clear()
            tried_at = time.monotonic()
            pause = self._refresh_seconds if await self._refreshed() else RETRY_PAUSE
            due = time.monotonic() + pause
            await passed(self._wake, pause)
            await asyncio.sleep(min(due, tried_at + UNKNOWN_KEY_PAUSE) - time.monotonic())

    async def _refreshed(self) -> bool:
        """Fetches and stores the keys. If that fails (False), loads those that another process may have stored."""
        try:
            await self.refresh()
        except Exception as error:
            log.warning("verification_keys_not_fetched", error=repr(error), age=self.age())
            await self._load()
            return False
        await self._store()
        return True

    async def _load(self) -> None:
        """Loads the stored keys if they are newer than those in use."""
        try:
            async with self._database.connection() as connection:
                stored = await LOAD.fetchrow(connection)
            if stored and stored["age"] < self.age():
                self._use(stored["jwks"], stored["age"])
        except Exception as error:
            if not database_is_unavailable(error):
                log.exception("verification_keys_not_loaded")

    async def _store(self) -> None:
        try:
            async with self._database.connection() as connection:
                await STORE.execute(connection, jwks=self._jwks)
        except Exception as error:
            log.warning("verification_keys_not_stored", error=repr(error))

    def _use(self, jwks: dict[str, Any], age: float = 0) -> None:
        self._keys, self._jwks = read_key_set(jwks), jwks
        self._fetched_at = time.time() - age


def read_key_set(jwks: object) -> dict[str, Any]:
    """The keys for RS256 by their id; others are ignored. Raises: UnusableKeySet."""
    listed = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(listed, list) or len(listed) > MOST_KEYS:
        raise UnusableKeySet(f"no list of at most {MOST_KEYS} keys")
    try:
        found: dict[str, Any] = {key["kid"]: jwk.construct(key, "RS256") for key in listed if _is_for_rs256(key)}
    except Exception as error:
        raise UnusableKeySet("a key can't be read") from error
    if not found:
        raise UnusableKeySet("no key for RS256")
    if any(key.prepared_key.key_size < LEAST_KEY_BITS for key in found.values()):
        raise UnusableKeySet(f"a key of less than {LEAST_KEY_BITS} bits")
    return found


def _is_for_rs256(key: dict[str, Any]) -> bool:
    return (
        key.get("kty") == "RSA"
        and key.get("use", "sig") == "sig"
        and key.get("alg", "RS256") == "RS256"
        and isinstance(key.get("kid"), str)
    )


def over_http(url: str) -> FetchKeys:
    """Fetches a JSON Web Key Set (RFC 7517) from `url`, of at most MOST_BYTES."""

    async def fetch() -> dict[str, Any]:
        certificates = await asyncio.to_thread(_certificates, url)
        headers = {"Accept-Encoding": "identity"}
        body = b""
        async with (
            asyncio.timeout(FETCH_SECONDS),
            httpx.AsyncClient(timeout=5, verify=certificates) as client,
            client.stream("GET", url, headers=headers) as answer,
        ):
            answer.raise_for_status()
            async for part in answer.aiter_raw():
                body += part
                if len(body) > MOST_BYTES:
                    raise UnusableKeySet(f"more than {MOST_BYTES} bytes")
        keys: dict[str, Any] = json.loads(body)
        return keys

    return fetch


@cache
def _certificates(url: str) -> ssl.SSLContext:
    """Is cached, and called in a thread: reading takes 3 MiB, and 50 ms in which the event loop would be blocked.

    For plain http no certificates are read.
    """
    return httpx.create_ssl_context() if url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
