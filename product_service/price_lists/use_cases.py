"""Creates, changes, activates and ends price lists."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from product_service.price_lists import queries
from product_service.price_lists.models import ListState, PriceList, PriceListEntry, ProductUnknown, fit
from product_service.products import queries as product_queries
from product_service.products import use_cases as products
from product_service.products.prices import UnitPrice
from product_service.products.prior_prices import PriorPriceRule
from service_kit.clock import utcnow
from service_kit.concurrency import Expected
from service_kit.concurrency import change as change_row
from service_kit.database import Session
from service_kit.database.signals import signal
from service_kit.problems import not_found

SIGNAL = "price-list-in-progress"


class Superseded(Exception):
    """The list was ended while a batch of its prices was written: the batch must be rolled back."""


async def create(tx: Session, columns: dict[str, Any]) -> PriceList:
    price_list = PriceList(**columns)
    tx.add(price_list)
    await tx.flush()
    return price_list


async def change(tx: Session, list_id: UUID, expected: Expected, columns: dict[str, Any]) -> PriceList:
    """Raises: NotFound, PreconditionFailed, PriceListActive."""
    price_list = await _lock(tx, list_id, expected)
    if columns.keys() - {"name"}:
        price_list.check_draft()
    if change_row(price_list, columns):
        price_list.updated_at = utcnow()
    return price_list


async def delete(tx: Session, list_id: UUID, expected: Expected) -> None:
    """Raises: NotFound, PreconditionFailed, PriceListActive."""
    price_list = await _lock(tx, list_id, expected)
    price_list.check_draft()
    await tx.delete(price_list)


async def put_entries(
    tx: Session,
    list_id: UUID,
    expected: Expected,
    put: Sequence[PriceListEntry],
    removed: Sequence[PriceListEntry],
) -> PriceList:
    """Raises: NotFound, PreconditionFailed, PriceListActive, ProductUnknown."""
    price_list = await _lock(tx, list_id, expected)
    price_list.check_draft()
    if unknown := await queries.unknown_products(tx, {entry.product_id for entry in put}):
        raise ProductUnknown(product_ids=sorted(map(str, unknown)))
    await queries.PUT_ENTRIES.execute(tx, entries=put)
    await queries.DELETE_ENTRIES.execute(tx, entries=removed, list_id=list_id)
    price_list.version += 1
    price_list.updated_at = utcnow()
    return price_list


async def activate(tx: Session, list_id: UUID, expected: Expected) -> PriceList:
    """Raises: NotFound, PreconditionFailed, PriceListEnded, PriceListEmpty, PriceEndsTooEarly."""
    price_list = await _lock(tx, list_id, expected)
    if price_list.activate(await queries.COUNT_PRODUCTS.fetchval(tx, list_id=list_id), utcnow()):
        signal(tx, SIGNAL)
    return price_list


async def end(tx: Session, list_id: UUID, expected: Expected) -> PriceList:
    """Raises: NotFound, PreconditionFailed, PriceListNotActive."""
    price_list = await _lock(tx, list_id, expected)
    if price_list.end(utcnow()):
        signal(tx, SIGNAL)
    return price_list


async def apply_next(tx: Session, rule: PriorPriceRule, limit: int) -> bool:
    """Writes or ends the prices of the next products of a list, `limit` at most. Returns whether there may be more.

    Prices, events and the list's progress are one transaction, so that another process continues after a crash.
    Raises: Superseded.
    """
    if not await queries.CLAIM.fetchval(tx):
        return False
    await product_queries.share_tree(tx)
    await queries.END_PASSED.execute(tx, now=utcnow())
    price_list = await queries.next_in_progress(tx)
    if price_list is None:
        return False
    adds = price_list.state == ListState.ACTIVATING
    if adds:
        found = await queries.NEXT_TO_ADD.fetch(tx, list=price_list, limit=limit)
    else:
        found = await queries.NEXT_TO_END[price_list.kind].fetch(tx, list=price_list, limit=limit, now=utcnow())
    ids = [id for (id,) in found]
    changed = await (_add_prices if adds else _end_prices)(tx, price_list, ids, rule)
    next_state = ListState.ACTIVE if adds else ListState.ENDED
    progress = {
        "last": ids[-1] if ids else price_list.after_id,
        "done": len(ids),
        "skipped": len(ids) - changed,
        "next_state": next_state if len(ids) < limit else None,
    }
    if not await queries.ADVANCE.execute(tx, list=price_list, now=utcnow(), **progress):
        raise Superseded
    return True


async def _add_prices(tx: Session, price_list: PriceList, ids: Sequence[UUID], rule: PriorPriceRule) -> int:
    """Returns how many products got a price."""
    locked = await product_queries.lock_all(tx, ids)
    now = utcnow()
    live: dict[UUID, list[UnitPrice]] = defaultdict(list)
    for known in await product_queries.live_prices(tx, price_list.kind, ids, now):
        live[known.product_id].append(known)
    added = set()
    for entry in await queries.entries_of(tx, price_list.id, [product.id for product in locked]):
        price = price_list.price(entry, now)
        if fit(price, live[entry.product_id]):
            tx.add(price)
            added.add(entry.product_id)
    changed = [product for product in locked if product.id in added]
    await products.set_prior(tx, changed, rule, now)
    await products.publish(tx, *changed)
    return len(changed)


async def _end_prices(tx: Session, price_list: PriceList, ids: Sequence[UUID], rule: PriorPriceRule) -> int:
    """Returns of how many products prices were ended."""
    locked = await product_queries.lock_all(tx, ids)
    now = utcnow()
    ended = set()
    for price in await queries.prices_to_end(tx, price_list, ids, now):
        price.end(None, now)
        ended.add(price.product_id)
    changed = [product for product in locked if product.id in ended]
    await products.set_prior(tx, changed, rule, now)
    await products.publish(tx, *changed)
    return len(changed)


async def _lock(tx: Session, list_id: UUID, expected: Expected) -> PriceList:
    price_list = await queries.lock(tx, list_id) or not_found(PriceList, list_id)
    expected.check(price_list.version)
    return price_list
