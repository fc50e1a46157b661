"""Delivers webhooks. Each is stored until the receiver has responded with a 2xx status."""

import asyncio
import hashlib
import hmac
import json
import sqlite3
import time
from collections.abc import Iterable
from typing import Any

import aiohttp
import structlog
from uuid_utils import uuid7

from sandbox.database import Database
from sandbox.gateway.settings import GatewaySettings

log = structlog.get_logger(__name__)

SCHEMA = """
CREATE TABLE IF NOT EXISTS owed_webhooks (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    body TEXT NOT NULL,
    since REAL NOT NULL,
    due_at REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    abandoned INTEGER NOT NULL DEFAULT 0,
    traceparent TEXT
);
CREATE INDEX IF NOT EXISTS owed_webhooks_by_time ON owed_webhooks (due_at) WHERE NOT abandoned;
"""

# All of these are in seconds. Servers commonly close idle connections after 5, into which no request must be sent.
KEEP_ALIVE = 4.0
# If the receiver can't be reached, all webhooks pause, so that not each of them attempts a connection.
UNREACHABLE_PAUSE = 0.1
# Webhooks that become due within this time are read and sent together.
GATHER = 0.002


def event(type: str, created: float, data: dict[str, Any]) -> str:
    return json.dumps({"id": f"evt_{uuid7().hex}", "type": type, "created": int(created), "data": data})


def schedule(db: sqlite3.Connection, body: str, due_at: float, traceparent: str | None = None) -> None:
    """`traceparent` is sent along: that of the request which made the charge or the refund."""
    values = (body, due_at, due_at, traceparent)
    db.execute("INSERT INTO owed_webhooks (body, since, due_at, traceparent) VALUES (?, ?, ?, ?)", values)


def counts(db: sqlite3.Connection) -> dict[str, int]:
    row = db.execute("SELECT count(*), coalesce(sum(abandoned), 0) FROM owed_webhooks").fetchone()
    return {"owed": row[0] - row[1], "abandoned": row[1]}


def sign(secrets: Iterable[str], body: str, at: int) -> str:
    """One digest by each of the secrets."""
    signed = f"{at}.{body}".encode()
    digests = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={at}", *(f"v1={digest}" for digest in digests)])


class Deliverer:
    """Sends the webhooks that are due, several at a time, and sends failed ones again after growing pauses.

    A webhook is deleted only after a 2xx response, so that a crash in between leads to a second delivery, not to none.
    """

    def __init__(self, database: Database, settings: GatewaySettings) -> None:
        self._database = database
        self._settings = settings
        self._in_flight: dict[int, asyncio.Task[None]] = {}
        self._woken = asyncio.Event()
        self._sleeps_until = 0.0
        self._not_before = 0.0

    def due(self, at: float) -> None:
        """Wakes the deliverer if a webhook is due earlier than the one that it sleeps until."""
        if at < self._sleeps_until:
            self._woken.set()

    async def run(self) -> None:
        connector = aiohttp.TCPConnector(limit=self._settings.webhooks_in_flight, keepalive_timeout=KEEP_ALIVE)
        timeout = aiohttp.ClientTimeout(total=self._settings.webhook_timeout)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            try:
                while True:
                    try:
                        await self._sleep_until(await self._start_due(session))
                    except sqlite3.Error:
                        log.exception("books_not_read")
                        await asyncio.sleep(1)
            finally:
                await self._end_in_flight()

    async def _end_in_flight(self) -> None:
        """Waits two seconds for requests in flight, then cancels them. Their webhooks stay stored."""
        if self._in_flight:
            _, late = await asyncio.wait(self._in_flight.values(), timeout=2)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _start_due(self, session: aiohttp.ClientSession) -> float:
        """Starts as many deliveries as may be in flight. Returns the Unix time at which the next one is due."""
        # Cleared before webhooks are read, so that one that is added afterwards ends the following sleep.
        self._woken.clear()
        self._sleeps_until = float("inf")
        now = time.time()
        if now < self._not_before:
            return self._not_before
        limit = self._settings.webhooks_in_flight
        # A delivery that ends during the read may still be among the rows, so it is in flight until the next read.
        in_flight = set(self._in_flight)
        for row in await self._database.read(lambda db: _first(db, 2 * limit + 1)):
            if row["seq"] in in_flight:
                continue
            if row["due_at"] > now:
                return float(row["due_at"])
            if len(self._in_flight) >= limit:
                break  # `_deliver` sets `_woken` when a delivery ends
            task = asyncio.create_task(self._deliver(session, row))
            self._in_flight[row["seq"]] = task
        return float("inf")

    async def _sleep_until(self, moment: float) -> None:
        self._sleeps_until = moment
        pause = max(moment - time.time(), 0) + GATHER
        try:
            await asyncio.wait_for(self._woken.wait(), None if pause == float("inf") else pause)
        except TimeoutError:
            return

    async def _deliver(self, session: aiohttp.ClientSession, row: sqlite3.Row) -> None:
        try:
            if await self._send(session, row["body"], row["traceparent"]):
                await self._database.write(lambda db: _forget(db, row["seq"]))
            else:
                await self._postpone(row)
        finally:
            del self._in_flight[row["seq"]]
            if len(self._in_flight) == self._settings.webhooks_in_flight - 1:
                self._woken.set()

    async def _send(self, session: aiohttp.ClientSession, body: str, traceparent: str | None) -> bool:
        signature = sign(self._settings.webhook_secrets, body, int(time.time()))
        headers = {"Content-Type": "application/json", "Webhook-Signature": signature}
        if traceparent:
            headers["traceparent"] = traceparent
        url = self._settings.webhook_url
        try:
            async with session.post(url, data=body.encode(), headers=headers, allow_redirects=False) as answer:
                await answer.read()
                return 200 <= answer.status < 300
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if isinstance(error, aiohttp.ClientConnectorError):
                self._not_before = time.time() + UNREACHABLE_PAUSE
            log.debug("webhook_not_delivered", error=repr(error))
            return False

    async def _postpone(self, row: sqlite3.Row) -> None:
        now = time.time()
        abandoned = now - row["since"] > self._settings.retry_for
        if abandoned:
            log.error("webhook_abandoned", attempts=row["attempts"] + 1, body=row["body"])
        # The exponent is bounded because a float overflows above 2**1023; the pause reaches its limit long before.
        pause = min(self._settings.retry_first * 2 ** min(row["attempts"], 30), self._settings.retry_longest)
        await self._database.write(lambda db: _retry(db, row["seq"], now + pause, abandoned))
        self.due(now + pause)


def _first(db: sqlite3.Connection, limit: int) -> list[sqlite3.Row]:
    return db.execute("SELECT * FROM owed_webhooks WHERE NOT abandoned ORDER BY due_at LIMIT ?", (limit,)).fetchall()


def _forget(db: sqlite3.Connection, seq: int) -> None:
    db.execute("DELETE FROM owed_webhooks WHERE seq = ?", (seq,))


def _retry(db: sqlite3.Connection, seq: int, due_at: float, abandoned: bool) -> None:
    db.execute(
        "UPDATE owed_webhooks SET attempts = attempts + 1, due_at = ?, abandoned = ? WHERE seq = ?",
        (due_at, abandoned, seq),
    )
