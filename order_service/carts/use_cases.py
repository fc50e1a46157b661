"""What a customer does with their cart."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from contracts.money import Money
from order_service.carts import queries
from order_service.carts.models import CartItem
from order_service.carts.queries import Item
from order_service.carts.schemas import CartItemOut, CartOut
from order_service.catalogue.models import common_currency
from order_service.orders.pricing import ProductUnavailable
from order_service.orders.schemas import MAX_LINES
from service_kit.clock import utcnow
from service_kit.database import HotConn, HotTx
from service_kit.problems import Problem, not_found


class CartFull(Problem, status=409, type="cart-full"):
    """A cart has room for {most} products, since an order can't have more lines."""


async def show(connection: HotConn | HotTx, user_id: UUID, preferred_currency: str) -> CartOut:
    """The cart at today's prices, in the currency that an order would be in."""
    version, items = await queries.read(connection, user_id)
    now = utcnow()
    priced = [item.product.currencies(item.quantity, now) for item in items if item.product and item.product.orderable]
    currency = common_currency([found for found in priced if found], preferred_currency) or preferred_currency
    shown = [_item(item, currency, now) for item in items]
    return CartOut(version=version, items=shown, total=_total(shown, currency))


async def put(tx: HotTx, user_id: UUID, product_id: UUID, quantity: int) -> None:
    """Raises: ProductUnavailable, CartFull."""
    status = await queries.status_of_product(tx, product_id)
    if status != "active":
        refused = {"line": 1, "product_id": product_id, "reason": status or "unknown"}
        raise ProductUnavailable(lines=[refused], retry_after=1 if status is None else None)
    await queries.begin_change(tx, user_id)
    if not await queries.put(tx, user_id, product_id, quantity, MAX_LINES):
        raise CartFull(most=MAX_LINES)


async def change(tx: HotTx, user_id: UUID, product_id: UUID, quantity: int) -> None:
    """Raises: NotFound."""
    await queries.begin_change(tx, user_id)
    if not await queries.change(tx, user_id, product_id, quantity):
        not_found(CartItem, product_id)


async def remove(tx: HotTx, user_id: UUID, product_id: UUID) -> None:
    """Raises: NotFound."""
    await queries.begin_change(tx, user_id)
    if not await queries.remove(tx, user_id, product_id):
        not_found(CartItem, product_id)


async def empty(tx: HotTx, user_id: UUID) -> None:
    """Removes every item."""
    await queries.begin_change(tx, user_id)
    await queries.empty(tx, user_id)


def _item(item: Item, currency: str, now: datetime) -> CartItemOut:
    product = item.product
    unit_price = product.unit_price(item.quantity, currency, now) if product and product.orderable else None
    return CartItemOut(
        product_id=item.product_id,
        sku=product.sku if product else "",
        name=product.name if product else "",
        quantity=item.quantity,
        unit_price=Money(amount=unit_price, currency=currency) if unit_price is not None else None,
        total=Money(amount=unit_price * item.quantity, currency=currency) if unit_price is not None else None,
        available=item.available,
        orderable=unit_price is not None,
        added_at=item.added_at,
    )


def _total(items: Sequence[CartItemOut], currency: str) -> Money | None:
    totals = [item.total.amount for item in items if item.total]
    return Money(amount=sum(totals), currency=currency) if totals else None
