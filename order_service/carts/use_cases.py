"""What a customer does with their cart."""

from collections.abc import Mapping, Sequence
from typing import Literal
from uuid import UUID

from contracts.money import Money
from order_service.base import MAX_LINES
from order_service.carts import queries
from order_service.carts.models import CartItem
from order_service.carts.queries import Item
from order_service.carts.schemas import CartItemOut, CartOut
from order_service.pricing.lines import QuoteLine
from order_service.pricing.places import Destination
from order_service.pricing.promotions import MOST_CODES
from order_service.pricing.quotes import ProductUnavailable, quote
from order_service.pricing.schemas import QuoteOut
from order_service.rules.holder import RulesHolder
from order_service.rules.terms import terms_of
from service_kit.clock import utcnow
from service_kit.database import Connection, Transaction
from service_kit.problems import Problem, Unauthenticated, not_found
from service_kit.security.revocations import PermissionRevoked
from service_kit.security.tokens import TokenVerifier


class GuestTokenNotGood(Problem, status=400, type="guest-token-not-good"):
    """This is no valid access token of a guest: send the one with which the guest's cart was filled, and renew it first
    if it has expired. A registered account's cart can't be merged."""


class CartFull(Problem, status=409, type="cart-full"):
    """A cart has room for {most} products, since an order can't have more lines."""


async def show(
    connection: Connection | Transaction,
    customer_id: UUID,
    rules: RulesHolder,
    preferred_currency: str,
    to: Destination | None = None,
) -> CartOut:
    """The cart at today's prices, in the currency that an order would be in. `to` None: without shipping and tax."""
    row, items = await queries.read(connection, customer_id)
    products = {item.product_id: item.product for item in items if item.product}
    terms = await terms_of(connection, row, rules, to, shipping_method=None)
    found = quote(items, products, utcnow(), currency=None, preferred=preferred_currency, terms=terms)
    lines = {line.product_id: line for line in found.lines}
    return CartOut(
        version=row["version"],
        items=[_item(item, lines.get(item.product_id), found.currency) for item in items],
        codes=row["entered_codes"] or [],
        total=Money(amount=found.total, currency=found.currency) if lines else None,
        quote=QuoteOut.of(found) if lines else None,
        problems=[problem.body() for problem in found.problems] if lines else [],
    )


async def set_codes(tx: Transaction, customer_id: UUID, codes: Sequence[str]) -> None:
    """Codes that can't be used are kept, since the cart may yet change; `show` says why."""
    await queries.BEGIN_CHANGE.execute(tx, customer_id=customer_id)
    await queries.SET_CODES.execute(tx, customer_id=customer_id, codes=list(dict.fromkeys(codes)))


async def put(tx: Transaction, customer_id: UUID, product_id: UUID, quantity: int) -> None:
    """Raises: ProductUnavailable, CartFull."""
    status = await queries.STATUS_OF_PRODUCT.fetchval(tx, product_id=product_id)
    if status != "active":
        rejected = {"line": 1, "product_id": product_id, "reason": status or "unknown"}
        raise ProductUnavailable(lines=[rejected], retry_after=1 if status is None else None)
    await queries.BEGIN_CHANGE.execute(tx, customer_id=customer_id)
    item = {"customer_id": customer_id, "product_id": product_id, "quantity": quantity}
    if not await queries.PUT.execute(tx, **item, most_items=MAX_LINES):
        raise CartFull(most=MAX_LINES)


async def change(tx: Transaction, customer_id: UUID, product_id: UUID, quantity: int) -> None:
    """Raises: NotFound."""
    await queries.BEGIN_CHANGE.execute(tx, customer_id=customer_id)
    if not await queries.CHANGE.execute(tx, customer_id=customer_id, product_id=product_id, quantity=quantity):
        not_found(CartItem, product_id)


async def remove(tx: Transaction, customer_id: UUID, product_id: UUID) -> None:
    """Raises: NotFound."""
    await queries.BEGIN_CHANGE.execute(tx, customer_id=customer_id)
    if not await queries.REMOVE.execute(tx, customer_id=customer_id, product_id=product_id):
        not_found(CartItem, product_id)


async def merge(tx: Transaction, verifier: TokenVerifier, customer_id: UUID, guest_token: str) -> None:
    """Moves the items of the cart of a guest, whose access token proves that the cart is the caller's own.

    Raises: GuestTokenNotGood, KeysMissing; CartFull, after which both carts are as before.
    """
    try:
        guest = verifier.verify(guest_token)
    except (Unauthenticated, PermissionRevoked) as error:
        raise GuestTokenNotGood from error
    if not guest.is_guest:
        raise GuestTokenNotGood
    await _move(tx, guest.user_id, customer_id)
    if await queries.COUNT.fetchval(tx, customer_id=customer_id) > MAX_LINES:
        raise CartFull(most=MAX_LINES)


async def take_over(tx: Transaction, merged: Mapping[UUID, UUID]) -> None:
    """Moves the carts of guests to the accounts that they became part of. If a cart has no room for all items, it gets
    those that were added first."""
    for (guest_id,) in await queries.CARTS_OF.fetch(tx, customer_ids=list(merged)):
        await _move(tx, guest_id, merged[guest_id])
        await queries.DROP_EXCESS.execute(tx, customer_id=merged[guest_id], most_items=MAX_LINES)
        await queries.DELETE.execute(tx, customer_id=guest_id)


async def _move(tx: Transaction, from_id: UUID, into: UUID) -> None:
    """Gives `into` the larger quantity of each product in either cart, and the codes of both; empties the other one."""
    if from_id == into or not await queries.HAS_ITEMS.fetchval(tx, customer_id=from_id):
        return
    await queries.LOCK.execute(tx, customer_ids=sorted([from_id, into]))
    await queries.COPY.execute(tx, from_id=from_id, into=into)
    await queries.UNITE_CODES.execute(tx, from_id=from_id, into=into, most_codes=MOST_CODES)
    await queries.EMPTY.execute(tx, customer_id=from_id)


async def empty(tx: Transaction, customer_id: UUID) -> None:
    """Removes every item."""
    await queries.BEGIN_CHANGE.execute(tx, customer_id=customer_id)
    await queries.EMPTY.execute(tx, customer_id=customer_id)


def _item(item: Item, line: QuoteLine | None, currency: str) -> CartItemOut:
    product = item.product
    return CartItemOut(
        product_id=item.product_id,
        sku=product.sku if product else "",
        name=product.name if product else "",
        quantity=item.quantity,
        unit_price=Money(amount=line.unit_price, currency=currency) if line else None,
        total=Money(amount=line.total, currency=currency) if line else None,
        available=item.available,
        orderable=line is not None,
        problem=_problem(item, line),
        added_at=item.added_at,
    )


def _problem(item: Item, line: QuoteLine | None) -> Literal["unavailable", "no-price", "short"] | None:
    if item.product is None or not item.product.orderable:
        return "unavailable"
    if line is None:
        return "no-price"
    return "short" if item.available is not None and item.available < item.quantity else None
