"""The user service's public keys: fetched in the background, the last ones kept in the service's own database.

So a service starts, and verifies tokens, while the user service is down; and no request ever waits for a fetch.
"""

import asyncio
import contextlib
import json
import ssl
import time
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

import httpx
import structlog
from jose import jwk

from service_kit.database import Database
from service_kit.database.faults import database_is_away
from service_kit.problems import Problem, Unauthenticated
from service_kit.telemetry import metrics

log = structlog.get_logger(__name__)

FetchKeys = Callable[[], Awaitable[dict[str, Any]]]
UNKNOWN_KEY_PAUSE = 30.0
"""Seconds between two fetches that unknown key ids can cause, so that made-up ids can't be used to flood."""
RETRY_PAUSE = 2.0

LOAD = "SELECT jwks FROM verification_keys WHERE id = 1"
KEEP = """
INSERT INTO verification_keys (id, jwks, fetched_at) VALUES (1, $1, now())
ON CONFLICT (id) DO UPDATE SET jwks = excluded.jwks, fetched_at = excluded.fetched_at
"""


class KeysMissing(Problem, status=503, type="verification-keys-missing"):
    """The keys that tokens are verified with were not fetched yet: try again shortly."""


class KeyRing:
    """The keys that tokens are verified with, by key id."""

    def __init__(self, fetch: FetchKeys, database: Database, refresh_seconds: float) -> None:
        self.fetch = fetch
        self._database = database
        self._refresh_seconds = refresh_seconds
        self._keys: dict[str, Any] = {}
        self._wake = asyncio.Event()
        self._last_fetch = float("-inf")
        self._task: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        return bool(self._keys)

    def find(self, key_id: object) -> Any:
        """Raises: KeysMissing, Unauthenticated (an unknown id, which wakes the refresher)."""
        if not self._keys:
            raise KeysMissing(retry_after=1)
        if not isinstance(key_id, str) or (key := self._keys.get(key_id)) is None:
            self._wake.set()
            raise Unauthenticated
        return key

    async def start(self) -> None:
        """Takes up the keys that were kept; from here on they are refreshed in the background."""
        await self._load()
        self._task = asyncio.create_task(self._keep_fresh(), name="verification-keys")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def refresh(self) -> None:
        """Fetches once. Raises what the fetch raises; the keys held so far stay."""
        self._last_fetch = time.monotonic()
        self._use(await self.fetch())

    async def _keep_fresh(self) -> None:
        while True:
            self._wake.clear()
            pause = self._refresh_seconds
            try:
                await self.refresh()
                await self._keep()
            except Exception as error:
                log.warning("verification_keys_not_fetched", error=repr(error))
                pause = RETRY_PAUSE
            metrics.KEYS_AGE.set(time.monotonic() - self._last_fetch)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)
                await asyncio.sleep(max(0.0, self._last_fetch + UNKNOWN_KEY_PAUSE - time.monotonic()))

    async def _load(self) -> None:
        try:
            async with self._database.hot() as connection:
                kept = await connection.fetchval(LOAD)
            if kept:
                self._use(json.loads(kept))
        except Exception as error:
            if not database_is_away(error):
                log.exception("verification_keys_not_loaded")

    async def _keep(self) -> None:
        async with self._database.hot() as connection:
            await connection.execute(KEEP, json.dumps(self._jwks))

    def _use(self, jwks: dict[str, Any]) -> None:
        keys = {key["kid"]: jwk.construct(key, "RS256") for key in jwks["keys"] if key.get("kty") == "RSA"}
        if keys:
            self._jwks, self._keys = jwks, keys


def over_http(url: str) -> FetchKeys:
    """Fetches a JSON Web Key Set (RFC 7517) from `url`."""

    async def fetch() -> dict[str, Any]:
        async with httpx.AsyncClient(timeout=5, verify=await asyncio.to_thread(_certificates, url)) as client:
            answer = await client.get(url)
            answer.raise_for_status()
            keys: dict[str, Any] = answer.json()
            return keys

    return fetch


@cache
def _certificates(url: str) -> ssl.SSLContext:
    """Read once, and in a thread: that takes 50 ms, which every request would wait for, and 3 MiB.

    For plain http none are read: a client that was sent on to https after all would refuse.
    """
    return httpx.create_ssl_context() if url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
