"""Creating payment links, and paying by them."""

import hashlib
import json
import math
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from contracts.money import Money
from order_service.drafts import queries as draft_queries
from order_service.drafts import use_cases as drafts
from order_service.drafts.models import DraftNotOpen
from order_service.orders import queries as orders
from order_service.orders import rendering_queries
from order_service.orders.models import Order, Status
from order_service.orders.schemas import LineOut, Total
from order_service.payment_links import queries
from order_service.payment_links.models import (
    PaymentLink,
    PaymentLinkInvalid,
    hash_of,
    is_secret,
    new_secret,
    read_token,
    token_of,
)
from order_service.payment_links.queries import Linked
from order_service.payment_links.schemas import PayableOut, PaymentLinkOut
from order_service.payments import queries as payment_queries
from order_service.payments import use_cases as payments
from order_service.payments.limits import AttemptOrigin
from order_service.payments.models import NotAwaitingPayment, Payment
from order_service.pricing.quotes import PriceChanged
from order_service.pricing.schemas import OrderQuoteOut, QuoteOut
from order_service.rules.holder import RulesHolder
from order_service.settings import Settings
from service_kit.clock import utcnow
from service_kit.concurrency import Expected
from service_kit.database import Connection, Transaction
from service_kit.idempotency import Key
from service_kit.problems import Problem, TooManyRequests, not_found
from service_kit.rate_limit import rate_limit_headers
from service_kit.runtime import Runtime

WINDOW = timedelta(hours=1)
OPERATION = "POST /payment-link/payments"


async def create_for_draft(tx: Transaction, draft_id: UUID, by: UUID) -> PaymentLinkOut:
    """Raises: NotFound, DraftNotOpen."""
    draft = await draft_queries.lock(tx, draft_id)
    draft.check_open(utcnow())
    secret = new_secret()
    link = PaymentLink(draft_id=draft_id, secret_hash=hash_of(secret), created_by=by)
    link_id = await queries.put_of_draft(tx, link)
    return PaymentLinkOut(token=token_of(link_id, secret), expires_at=draft.expires_at)


async def create_for_order(tx: Transaction, order_id: UUID, by: UUID) -> PaymentLinkOut:
    """Raises: NotFound, NotAwaitingPayment."""
    order = await orders.lock(tx, order_id) or not_found(Order, order_id)
    if order.status != Status.AWAITING_PAYMENT:
        raise NotAwaitingPayment(order_status=str(order.status))
    secret = new_secret()
    link = PaymentLink(order_id=order_id, secret_hash=hash_of(secret), created_by=by)
    link_id = await queries.put_of_order(tx, link)
    return PaymentLinkOut(token=token_of(link_id, secret), expires_at=order.pay_by)


async def show(db: Connection, token: str, address: str | None, rules: RulesHolder, settings: Settings) -> PayableOut:
    """What is to be paid. Raises: PaymentLinkInvalid, TooManyRequests."""
    link = await _find(db, token, address, settings)
    if not link.is_open(utcnow()):
        raise await _invalid(db, address, settings)
    if link.order_id is not None:
        return await _show_order(db, link, link.order_id)
    assert link.draft_id is not None
    draft = await draft_queries.find(db, link.draft_id)
    quote, problems = await drafts.quote(db, draft, rules, settings.default_currency)
    if quote is None or not quote.lines:
        return _payable(link, [], None, None, problems)
    lines = [LineOut.of(line, quote.currency) for line in quote.lines]
    return _payable(link, lines, QuoteOut.of(quote), Money(amount=quote.total, currency=quote.currency), problems)


async def order_to_pay(
    runtime: Runtime, token: str, address: str | None, payment_token: str, expected_total: Total | None
) -> Linked:
    """The order of the link; a draft is placed first, which happens once.

    An order that can't be paid any more is returned too if this payment token was used for it by this link, so that the
    holder of both learns the outcome. Raises: PaymentLinkInvalid, TooManyRequests, PriceChanged, and what
    `drafts.use_cases.place` raises.
    """
    settings = runtime.resource(Settings)
    async with runtime.database.connection() as connection:
        link = await _find(connection, token, address, settings)
        if not link.is_open(utcnow()):
            if await _payment(connection, link, payment_token) is None:
                raise await _invalid(connection, address, settings)
            return link
    if link.order_id is None:
        link = await _place(runtime, link, expected_total)
    if expected_total and (expected_total.amount, expected_total.currency) != (link.to_pay, link.currency):
        to_pay = {"amount": link.to_pay, "currency": link.currency}
        raise PriceChanged(lines=[], expected_total=expected_total, total=to_pay)
    return link


async def pay(runtime: Runtime, link: Linked, payment_token: str, address: str | None) -> Payment:
    """Charges what is left to pay for the order; the same request again returns the same payment, as it is by then.

    Raises: PaymentLinkInvalid, and what `payments.use_cases.pay` raises.
    """
    assert link.order_id is not None
    if link.is_open(utcnow()):
        by, key = link.customer_id, _key(link, payment_token)
        request = payments.Request(
            link.order_id, payment_token, by, by, key, answer=_nothing, payer=AttemptOrigin(by, address)
        )
        made = await payments.pay(runtime, request)
        if isinstance(made, Payment):
            return made
    async with runtime.database.connection() as connection:
        found = await _payment(connection, link, payment_token)
    if found is None:
        raise PaymentLinkInvalid
    return found


def _nothing(_: Payment) -> tuple[bytes, str]:
    """The stored response is not used: a repeated request shows the payment as it is by then."""
    return b"", ""


async def _place(runtime: Runtime, link: Linked, expected_total: Total | None) -> Linked:
    assert link.draft_id is not None
    key = Key(str(link.draft_id), OPERATION, b"")
    with suppress(DraftNotOpen):  # someone placed or dropped it a moment ago
        await drafts.place(runtime, link.draft_id, key, None, Expected(), expected_total)
    async with runtime.database.connection() as connection:
        found = await queries.find(connection, link.id)
    if found is None or found.order_id is None:
        raise PaymentLinkInvalid
    return found


async def _find(db: Connection, token: str, address: str | None, settings: Settings) -> Linked:
    """Raises: PaymentLinkInvalid, TooManyRequests."""
    if (parts := read_token(token)) is not None:
        link_id, secret = parts
        link = await queries.find(db, link_id)
        if link is not None and is_secret(secret, link.secret_hash):
            return link
    raise await _invalid(db, address, settings)


async def _invalid(db: Connection, address: str | None, settings: Settings) -> Problem:
    """Counts the attempt; holders of valid links behind the same address are not limited."""
    most = settings.invalid_payment_links_per_address
    if not settings.limits or not most or address is None:
        return PaymentLinkInvalid()
    attempts, since = await queries.count_invalid(db, address, WINDOW)
    if attempts <= most:
        return PaymentLinkInvalid()
    seconds = max(1, math.ceil((since + WINDOW - utcnow()).total_seconds()))
    headers = rate_limit_headers("invalid-payment-links", most, seconds, int(WINDOW.total_seconds()))
    return TooManyRequests(seconds=seconds, retry_after=seconds, headers=headers)


async def _show_order(db: Connection, link: Linked, order_id: UUID) -> PayableOut:
    shown = json.loads((await rendering_queries.show(db, order_id, None, for_staff=False)).body)
    assert link.to_pay is not None
    to_pay = Money(amount=link.to_pay, currency=shown["total"]["currency"])
    lines = [LineOut.model_validate(line) for line in shown["lines"]]
    return _payable(link, lines, OrderQuoteOut.model_validate(shown["quote"]), to_pay, [])


def _payable(
    link: Linked,
    lines: Sequence[LineOut],
    quote: OrderQuoteOut | None,
    to_pay: Money | None,
    problems: Sequence[Problem],
) -> PayableOut:
    return PayableOut(
        order_number=link.order_number,
        lines=list(lines),
        quote=quote,
        to_pay=to_pay,
        expires_at=link.expires_at,
        problems=[each.body() for each in problems],
    )


async def _payment(db: Connection, link: Linked, payment_token: str) -> Payment | None:
    """The payment that this payment token was used for by this link."""
    if link.order_id is None:
        return None
    key = _key(link, payment_token)
    return await payment_queries.payment_of_request(db, link.order_id, link.customer_id, key.value)


def _key(link: Linked, payment_token: str) -> Key:
    """The same for a repeated request, such as a double click, and another one for the next card."""
    return Key(hashlib.sha256(link.id.bytes + payment_token.encode()).hexdigest(), OPERATION, b"")
