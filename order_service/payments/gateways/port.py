"""The port to payment gateways, in our own terms; each gateway's terms stay in its adapter.

Every call returns an answer or `NoResponse` and raises nothing: the caller decides what a lost response means.
Every call that changes something carries an idempotency key, so that it can be repeated safely.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Literal, Protocol
from uuid import UUID

from order_service.payments.models import PaymentState, RefundState
from service_kit.problems import Problem


class WebhookSignatureWrong(Problem, status=401, type="webhook-signature-wrong"):
    """The webhook's signature is missing, wrong or too old: {reason}."""


@dataclass(frozen=True, slots=True)
class ChargeRequest:
    """A charge to make, or one that may have been made. `amount` is in the currency's minor unit.

    `token`: the card's token, from the gateway's own form; None: it is no longer stored, or must not be charged.
    `charge_id`: the gateway's id, once it is known. `capture` False: authorise only.
    """

    key: str
    amount: int
    currency: str
    order_id: UUID
    token: str | None = field(default=None, repr=False)
    charge_id: str | None = None
    capture: bool = True


@dataclass(frozen=True, slots=True)
class NextAction:
    """What the customer must do before the charge continues: open `url` in a browser."""

    type: Literal["redirect"]
    url: str


@dataclass(frozen=True, slots=True)
class Charge:
    """A charge as the gateway knows it. `amount`: what was captured; until then, what was requested."""

    id: str
    key: str
    order_reference: str
    """`ChargeRequest.order_id`; any text, for charges that other systems made with the same account."""
    state: PaymentState
    amount: int
    currency: str
    failure_reason: str | None = None
    next_action: NextAction | None = None


@dataclass(frozen=True, slots=True)
class GatewayRefund:
    """A refund as the gateway knows it."""

    id: str
    key: str
    charge_id: str
    state: RefundState
    amount: int
    currency: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The gateway rejected the request for good. `reason`: its code."""

    reason: str


class NoResponse(Enum):
    """The request may have been carried out (LOST), or certainly was not (UNREACHABLE)."""

    LOST = "lost"
    UNREACHABLE = "unreachable"


ChargeAnswer = Charge | Rejected | NoResponse
RefundAnswer = GatewayRefund | Rejected | NoResponse


class PaymentGateway(Protocol):
    """One account with a payment gateway.

    `name`: stored in the column `payments.gateway`; `timeout`: of each call, in seconds.
    """

    name: str
    timeout: float

    async def open(self, request: ChargeRequest) -> ChargeAnswer:
        """Makes the charge; the same key never makes a second charge."""

    async def resolve(self, request: ChargeRequest) -> ChargeAnswer | None:
        """The charge of this key. If there is none, it is made now, given a token; without a token the result is None.

        A gateway without a look-up by key reads the charge by its id, and repeats `open` while the id is not known.
        """

    async def capture(self, key: str, charge_id: str, amount: int) -> ChargeAnswer:
        """Captures `amount` of an authorised charge, once; the rest is released."""

    async def cancel(self, key: str, charge_id: str) -> ChargeAnswer:
        """Voids a charge that is authorised or waits for its customer."""

    async def refund(self, key: str, charge_id: str, amount: int, reason: str | None) -> RefundAnswer:
        """Refunds `amount` of a captured charge, once; a repeated call returns the refund's current state."""

    def made_since(self, since: datetime) -> AsyncIterator[Charge | GatewayRefund]:
        """All charges since then, and then all refunds, of this account. Raises: Unavailable."""

    def read_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Charge | GatewayRefund | None:
        """What a webhook reports; None: nothing about payments. `headers` must be case-insensitive.
        Raises: WebhookSignatureWrong, InvalidRequest."""
