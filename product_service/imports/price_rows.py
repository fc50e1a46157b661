"""Stores rows of scheduled prices: each is validated and scheduled as the API does it."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from product_service.imports import queries
from product_service.imports.columns import ERROR_COLUMNS
from product_service.imports.models import Import, Mode
from product_service.imports.records import RowFailed
from product_service.imports.rows import Outcome, Row, row_failed
from product_service.prices import use_cases as prices
from product_service.prices.schemas import PriceIn
from product_service.products import queries as product_queries
from product_service.products import use_cases as products
from product_service.products.models import Product
from product_service.products.prices import PriceExists, ScheduledPrice
from product_service.products.prior_prices import PriorPriceRule
from service_kit.clock import utcnow
from service_kit.database import Session
from service_kit.problems import Problem

Schedules = dict[UUID, list[ScheduledPrice]]


async def store(
    tx: Session, wanted: Import, rows: Sequence[Row], outcome: Outcome, *, rule: PriorPriceRule, **_: object
) -> None:
    """Stores the rows, and publishes each product once whose prices have changed."""
    await product_queries.share_tree(tx)
    known = await product_queries.lock_by_sku(tx, {row.sku for row in rows})
    schedules: Schedules = defaultdict(list)
    for price in await queries.prices(tx, [each.id for each in known.values()]):
        schedules[price.product_id].append(price)
    now, touched = utcnow(), {}
    for row in rows:
        try:
            product = known.get(row.sku)
            if product is None:
                raise RowFailed("sku-unknown", f"There is no product with the SKU {row.sku[:64]}.", "sku")
            kind = _store(tx, wanted.mode, row, product, schedules[product.id], now)
        except RowFailed as error:
            outcome.fail(wanted, row.record, error)
            continue
        except (Problem, ValidationError) as error:
            outcome.fail(wanted, row.record, row_failed(error, lambda location: str(location[0])))
            continue
        setattr(outcome, kind, getattr(outcome, kind) + 1)
        if kind != "unchanged":
            touched[product.id] = product
    if touched:
        await products.set_prior(tx, list(touched.values()), rule, now)
        await products.publish(tx, *touched.values())


def _store(tx: Session, mode: str, row: Row, product: Product, schedule: list[ScheduledPrice], now: datetime) -> str:
    """Returns whether a price was `created`, `changed` or `unchanged`. Raises: RowFailed, Problem, ValidationError."""
    given = {name: value for name, value in row.values.items() if name != "sku" and name not in ERROR_COLUMNS}
    body = PriceIn.model_validate({name: value for name, value in given.items() if value is not None})
    same = _same(body, schedule)
    if same is None:
        if mode == Mode.UPDATE:
            raise RowFailed("price-unknown", "There is no price of this tier that starts then.", "starts_at")
        live = [each for each in schedule if _is_live(each, now)]
        price = ScheduledPrice(product_id=product.id, **body.model_dump())
        prices.add(tx, price, live, now)
        schedule.append(price)
        return "created"
    if mode == Mode.CREATE or same.amount != body.amount:
        raise PriceExists(price_id=str(same.id))
    if "ends_at" not in given or body.ends_at == same.ends_at:
        return "unchanged"
    if body.ends_at is None:
        raise RowFailed("ends-at-missing", "The end of a price can be changed, but not removed.", "ends_at")
    same.end(body.ends_at, now)
    return "changed"


def _same(body: PriceIn, schedule: Sequence[ScheduledPrice]) -> ScheduledPrice | None:
    """The price of this tier that starts at this moment; of several, one that was not cancelled."""
    key: tuple[Any, ...] = (body.currency, body.min_quantity, body.starts_at)
    found = [each for each in schedule if (each.currency, each.min_quantity, each.starts_at) == key]
    return next((each for each in found if each.ends_at != each.starts_at), found[0] if found else None)


def _is_live(price: ScheduledPrice, now: datetime) -> bool:
    return price.ends_at is None or price.ends_at > max(now, price.starts_at)
