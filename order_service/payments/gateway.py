"""The payment gateway, as far as we need it: charge, find a charge, refund, and webhooks that are really its own.

Each question ends in an answer or in `NoAnswer`, never in an exception: what a lost answer means is for the caller.
"""

import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

import aiohttp
import structlog
from prometheus_client import Histogram
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from service_kit.crashpoints import reach
from service_kit.problems import InvalidRequest, Problem

log = structlog.get_logger(__name__)
Answer = TypeVar("Answer", bound=BaseModel)

CONNECT_SECONDS = 2.0
# Less than the time after which usual servers close a silent connection, so that no charge is lost in the closing.
KEEP_ALIVE_SECONDS = 4.0
CONNECTIONS = 64
SIGNATURE_TOLERANCE = timedelta(minutes=5)

# Nothing was sent: there is certainly no charge.
NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
REFUSALS = frozenset({400, 402, 404, 422})
# The gateway turned us away at its door, so that nothing was charged; the same request may pass later.
TURNED_AWAY = frozenset({401, 403, 429, 503})


class WebhookSignatureWrong(Problem, status=401, type="webhook-signature-wrong"):
    """The webhook's signature is missing, wrong or too old: {reason}."""


class NoAnswer(Enum):
    """What was asked may have been done (LOST), or certainly was not (UNREACHABLE)."""

    LOST = "lost"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Refused:
    """The gateway won't do it, today or later."""

    reason: str


class Charge(BaseModel):
    """Money taken, or about to be, or not."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    status: Literal["pending", "succeeded", "declined"]
    amount: int
    currency: str
    reference: str
    idempotency_key: str
    failure_reason: str | None = None


class GatewayRefund(BaseModel):
    """Money given back, or about to be."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    charge_id: str
    status: Literal["pending", "succeeded", "failed"]
    amount: int
    currency: str
    idempotency_key: str
    reason: str | None = None


class _Charges(BaseModel):
    items: list[Charge]


class _ChargeData(BaseModel):
    charge: Charge


class _RefundData(BaseModel):
    refund: GatewayRefund


class ChargeEvent(BaseModel):
    """A webhook about a charge; what has become of it stands in the charge itself."""

    type: Literal["charge.pending", "charge.succeeded", "charge.failed"]
    data: _ChargeData


class RefundEvent(BaseModel):
    """A webhook about a refund."""

    type: Literal["refund.pending", "refund.succeeded", "refund.failed"]
    data: _RefundData


class _AnyEvent(BaseModel):
    event: Annotated[ChargeEvent | RefundEvent, Field(discriminator="type")]


OPERATIONS: dict[type[BaseModel], str] = {Charge: "charge", _Charges: "find", GatewayRefund: "refund"}
SECONDS = Histogram(
    "payment_gateway_seconds",
    "From asking the gateway to its answer; outcome: answered, refused, lost, unreachable",
    ["operation", "outcome"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
KNOWN_EVENTS = frozenset(
    {f"charge.{end}" for end in ("pending", "succeeded", "failed")}
    | {f"refund.{end}" for end in ("pending", "succeeded", "failed")}
)


class Gateway:
    """One gateway account. Every request that moves money carries the idempotency key of its payment or refund."""

    def __init__(
        self, name: str, url: str, client: aiohttp.ClientSession, webhook_secret: SecretStr, timeout: float
    ) -> None:
        self.name = name
        self.url = url.rstrip("/")
        self.timeout = timeout
        self._client = client
        self._secret = webhook_secret.get_secret_value().encode()

    async def charge(
        self, key: str, *, token: str, amount: int, currency: str, order_id: UUID
    ) -> Charge | Refused | NoAnswer:
        """Takes the money; the same key never takes it twice."""
        body = {"amount": amount, "currency": currency, "token": token, "reference": str(order_id)}
        return await self._ask(Charge, "POST", "/charges", json=body, headers={"Idempotency-Key": key})

    async def find(self, key: str) -> Charge | NoAnswer | None:
        """The charge that was made with this key, if there was one."""
        found = await self._ask(_Charges, "GET", "/charges", params={"idempotency_key": key, "limit": "1"})
        if isinstance(found, Refused):
            return NoAnswer.UNREACHABLE
        if isinstance(found, NoAnswer):
            return found
        return found.items[0] if found.items else None

    async def refund(
        self, key: str, charge_id: str, *, amount: int, reason: str | None
    ) -> GatewayRefund | Refused | NoAnswer:
        """Gives money back; the same key never gives it twice, and asked again tells what became of it."""
        body = {"amount": amount, "reason": reason}
        headers = {"Idempotency-Key": key}
        return await self._ask(GatewayRefund, "POST", f"/charges/{charge_id}/refunds", json=body, headers=headers)

    def event(self, signature: str | None, body: bytes, now: datetime) -> ChargeEvent | RefundEvent | None:
        """What a webhook says; None: something that we don't know. Raises: WebhookSignatureWrong, InvalidRequest."""
        self._check_signature(signature or "", body, now)
        try:
            sent = json.loads(body)
            if not isinstance(sent, dict) or str(sent.get("type")) not in KNOWN_EVENTS:
                return None
            return _AnyEvent.model_validate({"event": sent}).event
        except (ValueError, ValidationError) as error:
            raise InvalidRequest(reason="the event has not the form that this gateway sends") from error

    def _check_signature(self, signature: str, body: bytes, now: datetime) -> None:
        parts = [part.strip().partition("=") for part in signature.split(",")]
        stamps = [value for name, _, value in parts if name == "t"]
        # Two at once while the gateway's secret is being changed.
        digests = [value for name, _, value in parts if name == "v1"]
        if len(stamps) != 1 or not stamps[0].isascii() or not stamps[0].isdigit() or not digests:
            raise WebhookSignatureWrong(reason="there is no `Webhook-Signature: t=…,v1=…`")
        expected = hmac.new(self._secret, stamps[0].encode() + b"." + body, hashlib.sha256).hexdigest().encode()
        if not any(hmac.compare_digest(expected, digest.encode()) for digest in digests):
            raise WebhookSignatureWrong(reason="it does not fit the body")
        if abs(now.timestamp() - int(stamps[0][:15])) > SIGNATURE_TOLERANCE.total_seconds():
            raise WebhookSignatureWrong(reason="it is too old")

    async def _ask(self, kind: type[Answer], method: str, path: str, **request: Any) -> Answer | Refused | NoAnswer:
        began = time.perf_counter()
        found = await self._exchange(kind, method, path, **request)
        outcome = (
            found.value if isinstance(found, NoAnswer) else "refused" if isinstance(found, Refused) else "answered"
        )
        SECONDS.labels(OPERATIONS[kind], outcome).observe(time.perf_counter() - began)
        return found

    async def _exchange(
        self, kind: type[Answer], method: str, path: str, **request: Any
    ) -> Answer | Refused | NoAnswer:
        moves_money = method == "POST"
        try:
            if moves_money:
                reach("gateway.before")
            async with self._client.request(method, self.url + path, allow_redirects=False, **request) as answer:
                body = await answer.read()
            if moves_money:
                reach("gateway.after")
            return self._read(kind, answer.status, body)
        except NOT_SENT as error:
            log.warning("gateway_unreachable", gateway=self.name, error=repr(error))
            return NoAnswer.UNREACHABLE
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("gateway_answer_lost", gateway=self.name, path=path, error=repr(error))
            return NoAnswer.LOST

    def _read(self, kind: type[Answer], status: int, body: bytes) -> Answer | Refused | NoAnswer:
        if status in REFUSALS:
            return Refused(refusal_code(status, body))
        if status in TURNED_AWAY:
            log.error("gateway_turned_away", gateway=self.name, status=status, body=_shown(body))
            return NoAnswer.UNREACHABLE
        try:
            if 200 <= status < 300:
                return kind.model_validate_json(body)
        except ValidationError:
            log.exception("gateway_answer_unreadable", gateway=self.name, body=_shown(body))
        log.error("gateway_failed", gateway=self.name, status=status)
        return NoAnswer.LOST


def _outcome(found: object) -> str:
    if isinstance(found, NoAnswer):
        return found.value
    return "refused" if isinstance(found, Refused) else "answered"


def _shown(body: bytes) -> str:
    return body[:500].decode(errors="replace")


def refusal_code(status: int, body: bytes) -> str:
    """A problem's stable type where the gateway sends one (`refund-above-charge`), else its status."""
    try:
        kind = str(json.loads(body)["type"])
    except (ValueError, KeyError, TypeError):
        return f"http-{status}"
    return kind.rpartition("/")[2][:200] or f"http-{status}"


@asynccontextmanager
async def open_gateway(
    url: str, api_key: SecretStr, webhook_secret: SecretStr, timeout_seconds: float
) -> AsyncIterator[Gateway]:
    """The sandbox gateway, with one pool of connections for the whole process."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=KEEP_ALIVE_SECONDS),
        headers={"Authorization": f"Bearer {api_key.get_secret_value()}"},
        # `connect` also bounds the wait for a free connection.
        timeout=aiohttp.ClientTimeout(total=timeout_seconds, connect=CONNECT_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as client:
        yield Gateway("sandbox", url, client, webhook_secret, timeout_seconds)
