"""The sandbox gateway (`sandbox/gateway`) as a `PaymentGateway`: HTTP and JSON, looked up by idempotency key."""

import json
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import aiohttp
import structlog
from opentelemetry.trace import Span
from prometheus_client import Histogram
from pydantic import BaseModel, SecretStr, ValidationError

from order_service.payments.gateways import signature
from order_service.payments.gateways.port import (
    Charge,
    ChargeAnswer,
    ChargeRequest,
    GatewayRefund,
    NextAction,
    NoResponse,
    RefundAnswer,
    Rejected,
)
from order_service.payments.models import PaymentState, RefundState
from service_kit.failpoints import failpoint
from service_kit.problems import InvalidRequest, Unavailable
from service_kit.telemetry.tracing import Attributes, mark_failed, span_of_call

log = structlog.get_logger(__name__)
Answer = TypeVar("Answer", bound=BaseModel)

CONNECT_SECONDS = 2.0
# Less than the keep-alive timeout of common servers, so that no request is lost on a connection that they are closing.
KEEP_ALIVE_SECONDS = 4.0
CONNECTIONS = 64

# Nothing was sent, so there is certainly no charge.
NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
REJECTIONS = frozenset({400, 402, 404, 422})
# The gateway did not process the request, so nothing was charged; the same request may succeed later.
CREDENTIALS_REJECTED = frozenset({401, 403, 429, 503})

PAYMENT_STATES = {
    "pending": PaymentState.PENDING,
    "action_required": PaymentState.ACTION_REQUIRED,
    "authorised": PaymentState.AUTHORISED,
    "succeeded": PaymentState.SUCCEEDED,
    "declined": PaymentState.FAILED,
    "voided": PaymentState.VOIDED,
}
REFUND_STATES = {
    "pending": RefundState.REQUESTED,
    "succeeded": RefundState.SUCCEEDED,
    "failed": RefundState.FAILED,
}


class _Charge(BaseModel):
    id: str
    status: Literal["pending", "action_required", "authorised", "succeeded", "declined", "voided"]
    amount: int
    captured: int | None = None
    currency: str
    reference: str
    idempotency_key: str
    created: int = 0
    failure_reason: str | None = None
    next_action: NextAction | None = None

    def read(self) -> Charge:
        state = PAYMENT_STATES[self.status]
        # A gateway without partial captures sends no `captured`.
        taken = self.captured if state is PaymentState.SUCCEEDED and self.captured is not None else self.amount
        return Charge(
            *(self.id, self.idempotency_key, self.reference, state, taken, self.currency),
            *(self.failure_reason, self.next_action),
        )


class _Charges(BaseModel):
    items: list[_Charge]
    next: str | None = None


class _Refund(BaseModel):
    id: str
    charge_id: str
    status: Literal["pending", "succeeded", "failed"]
    amount: int
    currency: str
    idempotency_key: str
    created: int = 0
    reason: str | None = None

    def read(self) -> GatewayRefund:
        state = REFUND_STATES[self.status]
        return GatewayRefund(
            self.id, self.idempotency_key, self.charge_id, state, self.amount, self.currency, self.reason
        )


class _Refunds(BaseModel):
    items: list[_Refund]
    next: str | None = None


KNOWN_EVENTS = frozenset(
    {f"charge.{name}" for name in ("pending", "action_required", "authorised", "succeeded", "failed", "voided")}
    | {f"refund.{name}" for name in ("pending", "succeeded", "failed")}
)
"""Of webhooks. The status is read from the charge or refund that the event contains."""
SECONDS = Histogram(
    "payment_gateway_seconds",
    "From asking the gateway to its answer; outcome: answered, rejected, lost, unreachable",
    ["operation", "outcome"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


class SandboxGateway:
    """One account of the sandbox gateway, with one connection pool for the process."""

    name = "sandbox"

    def __init__(self, url: str, client: aiohttp.ClientSession, secrets: Sequence[bytes], timeout: float) -> None:
        self.url = url.rstrip("/")
        self.timeout = timeout
        self._client = client
        self._secrets = secrets
        address = urlsplit(self.url)
        self._server: Attributes = {
            "server.address": address.hostname or "",
            "server.port": address.port or (443 if address.scheme == "https" else 80),
        }

    async def open(self, request: ChargeRequest) -> ChargeAnswer:
        body = {
            "amount": request.amount,
            "currency": request.currency,
            "token": request.token,
            "reference": str(request.order_id),
            "capture": request.capture,
        }
        return await self._charge("open", request.key, "/charges", body)

    async def resolve(self, request: ChargeRequest) -> ChargeAnswer | None:
        params = {"idempotency_key": request.key, "limit": "1"}
        found = await self._ask("find", _Charges, "GET", "/charges", params=params)
        if isinstance(found, _Charges):
            if found.items:
                return found.items[0].read()
            return await self.open(request) if request.token else None
        return found if isinstance(found, NoResponse) else NoResponse.UNREACHABLE

    async def capture(self, key: str, charge_id: str, amount: int) -> ChargeAnswer:
        return await self._charge("capture", key, f"/charges/{charge_id}/capture", {"amount": amount})

    async def cancel(self, key: str, charge_id: str) -> ChargeAnswer:
        return await self._charge("cancel", key, f"/charges/{charge_id}/cancel", None)

    async def refund(self, key: str, charge_id: str, amount: int, reason: str | None) -> RefundAnswer:
        body, headers = {"amount": amount, "reason": reason}, {"Idempotency-Key": key}
        path = f"/charges/{charge_id}/refunds"
        answer = await self._ask("refund", _Refund, "POST", path, json=body, headers=headers)
        return answer.read() if isinstance(answer, _Refund) else answer

    async def made_since(self, since: datetime) -> AsyncIterator[Charge | GatewayRefund]:
        for kind, path in ((_Charges, "/charges"), (_Refunds, "/refunds")):
            params = {"limit": "1000"}
            while params:
                page = await self._ask("list", kind, "GET", path, params=params)
                if not isinstance(page, (_Charges, _Refunds)):
                    raise Unavailable(what="The payment gateway", retry_after=2)
                recent = [item for item in page.items if item.created >= since.timestamp()]
                for item in recent:
                    yield item.read()
                more = page.next if len(recent) == len(page.items) else None  # the newest come first
                params = {"limit": "1000", "cursor": more} if more else {}

    def read_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Charge | GatewayRefund | None:
        signature.check(self._secrets, headers.get("webhook-signature", ""), body, now)
        try:
            sent = json.loads(body)
            if not isinstance(sent, dict) or (event := str(sent.get("type"))) not in KNOWN_EVENTS:
                return None
            kind, _, _ = event.partition(".")
            model = _Charge if kind == "charge" else _Refund
            return model.model_validate(sent["data"][kind]).read()
        except (ValueError, KeyError, TypeError) as error:  # a pydantic ValidationError is a ValueError
            raise InvalidRequest(reason="the event has not the form that this gateway sends") from error

    async def _charge(self, operation: str, key: str, path: str, body: Mapping[str, Any] | None) -> ChargeAnswer:
        answer = await self._ask(operation, _Charge, "POST", path, json=body, headers={"Idempotency-Key": key})
        return answer.read() if isinstance(answer, _Charge) else answer

    async def _ask(
        self, operation: str, kind: type[Answer], method: str, path: str, **request: Any
    ) -> Answer | Rejected | NoResponse:
        began = time.perf_counter()
        attributes: Attributes = {"http.request.method": method, **self._server}
        with span_of_call(f"{method} {self.name}.{operation}", attributes) as (span, trace):
            request["headers"] = {**request.get("headers", {}), **trace}
            found = await self._exchange(span, kind, method, path, **request)
            if isinstance(found, NoResponse):
                mark_failed(span, found.value)
        outcome = "rejected" if isinstance(found, Rejected) else "answered"
        outcome = found.value if isinstance(found, NoResponse) else outcome
        SECONDS.labels(operation, outcome).observe(time.perf_counter() - began)
        return found

    async def _exchange(
        self, span: Span, kind: type[Answer], method: str, path: str, **request: Any
    ) -> Answer | Rejected | NoResponse:
        moves_money = method == "POST"
        try:
            if moves_money:
                failpoint("gateway.before")
            async with self._client.request(method, self.url + path, allow_redirects=False, **request) as answer:
                body = await answer.read()
            span.set_attribute("http.response.status_code", answer.status)
            if moves_money:
                failpoint("gateway.after")
            return self._read(kind, answer.status, body)
        except NOT_SENT as error:
            log.warning("gateway_unreachable", gateway=self.name, error=repr(error))
            return NoResponse.UNREACHABLE
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("gateway_answer_lost", gateway=self.name, path=path, error=repr(error))
            return NoResponse.LOST

    def _read(self, kind: type[Answer], status: int, body: bytes) -> Answer | Rejected | NoResponse:
        if status in REJECTIONS:
            return Rejected(rejection_code(status, body))
        shown = body[:500].decode(errors="replace")
        if status in CREDENTIALS_REJECTED:
            log.error("gateway_rejected_credentials", gateway=self.name, status=status, body=shown)
            return NoResponse.UNREACHABLE
        try:
            if 200 <= status < 300:
                return kind.model_validate_json(body)
        except ValidationError:
            log.exception("gateway_answer_unreadable", gateway=self.name, body=shown)
        log.error("gateway_failed", gateway=self.name, status=status)
        return NoResponse.LOST


def rejection_code(status: int, body: bytes) -> str:
    """A problem's stable type where the gateway sends one (`refund-above-charge`), else its status."""
    try:
        kind = str(json.loads(body)["type"])
    except (ValueError, KeyError, TypeError):
        return f"http-{status}"
    return kind.rpartition("/")[2][:200] or f"http-{status}"


@asynccontextmanager
async def open_sandbox(
    url: str, api_key: SecretStr, webhook_secrets: Iterable[SecretStr | None], timeout_seconds: float
) -> AsyncIterator[SandboxGateway]:
    """`webhook_secrets`: each of them is accepted; those that are empty are left out."""
    secrets = [each.get_secret_value().encode() for each in webhook_secrets if each and each.get_secret_value()]
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=KEEP_ALIVE_SECONDS),
        headers={"Authorization": f"Bearer {api_key.get_secret_value()}"},
        # `connect` also bounds the wait for a free connection.
        timeout=aiohttp.ClientTimeout(total=timeout_seconds, connect=CONNECT_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as client:
        yield SandboxGateway(url, client, secrets, timeout_seconds)
