"""Statements of searches. Each filter is met by an index; docs/decisions/0047 has what that costs."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, CompoundSelect, String, bindparam, column, func, table, union
from sqlalchemy import select as sql_select
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from order_service.annotations.models import OrderTags
from order_service.catalogue.models import CUSTOMER_NAME, EMAIL_KEY
from order_service.orders.models import Order, OrderLine
from order_service.orders.queries import Summary, summaries
from order_service.search.models import RECIPIENT, OrderSearch, Wanted
from service_kit.database import Session, Statement, Transaction
from service_kit.database.containing import contains
from service_kit.database.keyset import Position, Slice, keyset

_CUSTOMERS = Statement(f"""
SELECT user_id FROM account_status WHERE {EMAIL_KEY.format("email")} = {EMAIL_KEY.format("trim(:email::text)")}
""")
_PRODUCTS = Statement("SELECT product_id FROM catalogue_products WHERE sku = :sku")
_ACCOUNTS = table("account_status", column("user_id"))
_PAYMENT_STATUS = func.payment_status(Order.total, Order.captured, Order.refunded, type_=String)
CLOCKS = timedelta(hours=1)
"""How far the time in an order's id may be from its `created_at`: clocks differ, and so do the times of recovered
orders."""
# Orders that are being changed are waited for, since a change of the address updates what was added before it. An order
# whose transaction is still open is found by a later run, as the runs overlap by more than any statement may take.
ADD = Statement("""
WITH added AS (
    SELECT id, ship_to->>'name' AS recipient, ship_to->>'country' AS country, currency, total
    FROM orders
    WHERE id > :after AND NOT EXISTS (SELECT FROM order_search AS known WHERE known.order_id = orders.id)
    ORDER BY id LIMIT :limit FOR SHARE OF orders
)
INSERT INTO order_search (order_id, recipient, country, currency, total)
SELECT id, nullif(recipient, 'erased'), country, currency, total FROM added
ON CONFLICT DO NOTHING RETURNING order_id
""")
NEWEST = Statement("SELECT order_id FROM order_search ORDER BY order_id DESC LIMIT 1")
_CHANGE_ADDRESS = Statement("""
UPDATE order_search SET recipient = :ship_to::jsonb->>'name', country = :ship_to::jsonb->>'country'
WHERE order_id = :order_id
""")
ERASE = Statement("""
UPDATE order_search AS s SET recipient = NULL FROM orders AS o
WHERE o.customer_id = ANY(:customer_ids::uuid[]) AND s.order_id = o.id AND s.recipient IS NOT NULL
""")


async def change_address(tx: Transaction, order_id: UUID, ship_to: dict[str, Any]) -> None:
    """The order must be locked."""
    await _CHANGE_ADDRESS.execute(tx, order_id=order_id, ship_to=ship_to)


def first_id(at: datetime) -> UUID:
    """The lowest id (UUIDv7) that can be made at this time."""
    return UUID(int=int(at.timestamp() * 1000) << 80)


async def search(tx: Session, position: Position, wanted: Wanted) -> tuple[Slice[Order], Mapping[UUID, Summary]]:
    """A page of orders, sorted by id (UUIDv7, so by the time of creation), and a summary of each."""
    found = await keyset(tx, await matching(tx, wanted), position, Order.id)
    return found, await summaries(tx, found.rows)


async def matching(tx: Session, wanted: Wanted) -> SelectOfScalar[Order]:
    """Selects the orders that meet all filters."""
    statement = _of_customers(select(Order), wanted)
    if wanted.email is not None:
        customers = [row[0] for row in await _CUSTOMERS.fetch(tx, email=wanted.email)]
        statement = statement.where(col(Order.customer_id).in_(customers))
    if wanted.sku is not None:
        statement = _with_product(statement, [row[0] for row in await _PRODUCTS.fetch(tx, sku=wanted.sku)])
    if wanted.product_id is not None:
        statement = _with_product(statement, [wanted.product_id])
    if wanted.name is not None:
        statement = statement.where(col(Order.id).in_(_of_name(wanted.name)))
    if wanted.tag is not None:
        statement = statement.join(OrderTags, col(OrderTags.order_id) == Order.id)
        statement = statement.where(col(OrderTags.tags).contains([wanted.tag]))
    return _of_search(_placed(statement, wanted), wanted)


def _of_customers(statement: SelectOfScalar[Order], wanted: Wanted) -> SelectOfScalar[Order]:
    if wanted.customer_id is not None:
        statement = statement.where(Order.customer_id == wanted.customer_id)
    if wanted.statuses:
        statement = statement.where(col(Order.status).in_(wanted.statuses))
    if wanted.number is not None:
        statement = statement.where(Order.number == wanted.number)
    if wanted.payment_statuses:
        # Written into the statement, since a plan for any status could not use the index, which has only the rare ones.
        statuses: BindParameter[Any] = bindparam(
            "payment_statuses", wanted.payment_statuses, expanding=True, literal_execute=True
        )
        statement = statement.where(_PAYMENT_STATUS.in_(statuses))
    if wanted.stuck is not None:
        reason = col(Order.stuck_reason)
        statement = statement.where(reason.is_not(None) if wanted.stuck else reason.is_(None))
    return statement


def _placed(statement: SelectOfScalar[Order], wanted: Wanted) -> SelectOfScalar[Order]:
    """By the index of the ids, which contain the time."""
    if wanted.placed_from is not None:
        first = first_id(wanted.placed_from - CLOCKS)
        statement = statement.where(Order.created_at >= wanted.placed_from, Order.id >= first)
    if wanted.placed_before is not None:
        first = first_id(wanted.placed_before + CLOCKS)
        statement = statement.where(Order.created_at < wanted.placed_before, Order.id < first)
    return statement


def _of_search(statement: SelectOfScalar[Order], wanted: Wanted) -> SelectOfScalar[Order]:
    """Joined only if it is needed: orders are not in it at once."""
    conditions = []
    if wanted.country is not None:
        conditions.append(OrderSearch.country == wanted.country)
    if wanted.currency is not None:
        conditions.append(OrderSearch.currency == wanted.currency)
    if wanted.total_from is not None:
        conditions.append(OrderSearch.total >= wanted.total_from)
    if wanted.total_to is not None:
        conditions.append(OrderSearch.total <= wanted.total_to)
    if not conditions:
        return statement
    return statement.join(OrderSearch, col(OrderSearch.order_id) == Order.id).where(*conditions)


def _with_product(statement: SelectOfScalar[Order], product_ids: list[UUID]) -> SelectOfScalar[Order]:
    """A subquery, since a product may be in several lines, and its rows come sorted from the index."""
    lines = select(OrderLine.order_id).where(col(OrderLine.product_id).in_(product_ids)).distinct().subquery()
    return statement.join(lines, lines.c.order_id == Order.id)


def _of_name(name: str) -> CompoundSelect[Any]:
    """By two indexes, one for each kind of name: a condition with OR could use neither."""
    by_recipient = select(OrderSearch.order_id).where(contains(RECIPIENT, name))
    theirs = aliased(Order)
    accounts = sql_select(_ACCOUNTS.c.user_id).where(contains(CUSTOMER_NAME, name))
    return union(by_recipient, select(theirs.id).where(col(theirs.customer_id).in_(accounts)))
