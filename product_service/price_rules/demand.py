"""Counts what is ordered, for the conditions of price rules on demand."""

from collections import Counter
from collections.abc import Iterable
from datetime import date
from uuid import UUID

from product_service.price_rules import queries, use_cases
from product_service.price_rules.models import ProductDemand
from service_kit.clock import utcnow
from service_kit.database import Transaction
from service_kit.database.signals import signal


async def count(tx: Transaction, ordered: Iterable[tuple[UUID, date, int]]) -> None:
    """Counts the pieces of each product and day, and queues the products for the rules."""
    pieces = Counter[tuple[UUID, date]]()
    for product_id, day, quantity in ordered:
        pieces[product_id, day] += quantity
    demand = [ProductDemand(product_id=id, day=day, pieces=number) for (id, day), number in sorted(pieces.items())]
    await queries.ADD_DEMAND.execute(tx, demand=demand)
    if await queries.queue_products(tx, {each.product_id for each in demand}, utcnow()):
        signal(tx, use_cases.SIGNAL)
