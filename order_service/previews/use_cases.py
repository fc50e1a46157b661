"""Prices a cart or past orders with and without a promotion, by the function that prices orders. Nothing is written."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from contracts.money import Money
from order_service.catalogue.models import FACTS, Product
from order_service.previews import queries
from order_service.previews.schemas import PreviewedOut, PreviewIn, PreviewOut, SumOut
from order_service.pricing import promotions as pricing
from order_service.pricing.places import Destination
from order_service.pricing.promotions import Buyer, Code, PromotionUnusable, Reason
from order_service.pricing.quotes import Item, ProductUnavailable, Quote, quote
from order_service.pricing.rules import Rules, Terms
from order_service.promotions import queries as promotions
from order_service.promotions.models import Promotion
from order_service.rules import queries as rules
from service_kit.clock import utcnow
from service_kit.database import Session
from service_kit.problems import not_found

CODE = "preview"
"""Stands for the code of the promotion. Codes are in capitals, so no customer has entered it."""


@dataclass(frozen=True, slots=True)
class PreviewItem:
    product_id: UUID
    quantity: int
    agreed_unit_price: Money | None = None


@dataclass(frozen=True, slots=True)
class Previewed:
    """What is priced twice; `codes` are those that a past order was placed with."""

    items: Sequence[Item]
    products: Mapping[UUID, Product]
    currency: str | None
    terms: Terms
    order_id: UUID | None = None
    number: str | None = None


async def preview(tx: Session, wanted: PreviewIn, preferred_currency: str) -> PreviewOut:
    """Raises: NotFound, ValidationFailed, ProductUnavailable."""
    promotion = await _promotion(tx, wanted)
    # The home country is needed for businesses that account for the tax themselves only.
    found = await rules.load(tx, home_country=None)
    without = replace(found, promotions=tuple(each for each in found.promotions if each.id != promotion.id))
    priced = [await _cart(tx, wanted)] if wanted.lines is not None else await _last_orders(tx, wanted.last_orders or 0)
    items = []
    for each in priced:
        items.append(_compare(each, without, promotion, preferred_currency))
        await asyncio.sleep(0)  # orders can be long, and other requests have to be served meanwhile
    return PreviewOut(items=items, sums=_sums(items))


async def _promotion(tx: Session, wanted: PreviewIn) -> pricing.Promotion:
    """The promotion as if it applied now, by a code, so that it is known why it takes nothing off."""
    if wanted.promotion_id is not None:
        found = await promotions.find(tx, wanted.promotion_id) or not_found(Promotion, wanted.promotion_id)
    else:
        assert wanted.promotion is not None
        found = Promotion(**wanted.promotion.columns())
        found.check()
    return replace(found.priced(), automatic=False, starts_at=None, ends_at=None)


async def _cart(tx: Session, wanted: PreviewIn) -> Previewed:
    items = [PreviewItem(line.product_id, line.quantity) for line in wanted.lines or ()]
    to = Destination(**wanted.ship_to.model_dump()) if wanted.ship_to else None
    buyer = Buyer(groups=frozenset(wanted.customer_groups), country=to.country if to else None)
    products = await queries.products(tx, {item.product_id for item in items})
    return Previewed(items, products, wanted.currency, Terms(to=to, buyer=buyer))


async def _last_orders(tx: Session, count: int) -> list[Previewed]:
    """At the unit prices that they were placed at, under the rules of today."""
    return [_ordered(row) for row in await queries.LAST_ORDERS.fetch(tx, count=count)]


def _ordered(row: Any) -> Previewed:
    lines: list[dict[str, Any]] = row.lines
    price = {"currency": row.currency}
    items = [
        PreviewItem(UUID(line["product_id"]), line["quantity"], Money(amount=line["unit_price"], **price))
        for line in lines
    ]
    products = {
        UUID(line["product_id"]): Product(
            UUID(line["product_id"]), line["sku"], line["name"], "active", (), FACTS.validate_python(line["facts"])
        )
        for line in lines
    }
    to = Destination(*(row.ship_to.get(name) for name in Destination._fields))
    terms = Terms(
        to=to,
        buyer=Buyer(has_ordered=row.has_ordered, country=to.country),
        codes=[Code(code, UUID(promotion_id)) for promotion_id, code in row.codes.items()],
        shipping_method=row.shipping_method,
    )
    return Previewed(items, products, row.currency, terms, row.order_id, row.number)


def _compare(each: Previewed, without: Rules, promotion: pricing.Promotion, preferred: str) -> PreviewedOut:
    codes = [code for code in each.terms.codes if code.promotion_id != promotion.id]
    before = _quote(each, replace(each.terms, rules=without, codes=codes), preferred)
    also = replace(without, promotions=(*without.promotions, promotion))
    code = Code(CODE, promotion.id)
    after = _quote(each, replace(each.terms, rules=also, codes=[*codes, code]), preferred)
    return PreviewedOut(
        order_id=each.order_id,
        number=each.number,
        currency=after.currency,
        before=before.total,
        after=after.total,
        off=before.total - after.total,
        reason=_reason(after),
    )


def _quote(each: Previewed, terms: Terms, preferred: str) -> Quote:
    """Raises: ProductUnavailable."""
    found = quote(each.items, each.products, utcnow(), currency=each.currency, preferred=preferred, terms=terms)
    if found.unpriced:
        raise ProductUnavailable(lines=[unpriced._asdict() for unpriced in found.unpriced])
    return found


def _reason(found: Quote) -> Reason | None:
    failed = [
        code
        for problem in found.problems
        if isinstance(problem, PromotionUnusable)
        for code in problem.members["codes"]
    ]
    return next((code["reason"] for code in failed if code["code"] == CODE), None)


def _sums(items: Sequence[PreviewedOut]) -> list[SumOut]:
    found = []
    for currency in sorted({item.currency for item in items}):
        of_currency = [item for item in items if item.currency == currency]
        before, after = sum(item.before for item in of_currency), sum(item.after for item in of_currency)
        found.append(
            SumOut(
                currency=currency,
                orders=len(of_currency),
                reduced=sum(item.reason is None for item in of_currency),
                before=before,
                after=after,
                off=before - after,
            )
        )
    return found
