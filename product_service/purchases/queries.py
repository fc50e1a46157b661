"""Every statement about purchases."""

from collections.abc import Sequence
from uuid import UUID

from contracts.events.users import UserMerged
from product_service.purchases.models import Purchase
from service_kit.database import Statement, Transaction, insert, rows

ADD = Statement(f"{insert('added', Purchase)} ON CONFLICT (order_id, product_id) DO NOTHING")
DELIVER = Statement("UPDATE purchases SET delivered_at = now() WHERE order_id = ANY(:order_ids::uuid[])")
RETURN = Statement("UPDATE purchases SET delivered_at = NULL WHERE order_id = ANY(:order_ids::uuid[])")
DELETE = Statement("DELETE FROM purchases WHERE order_id = ANY(:order_ids::uuid[])")
ERASE = Statement("UPDATE purchases SET customer_id = NULL WHERE customer_id = ANY(:user_ids::uuid[])")
MERGE = Statement(f"""
UPDATE purchases SET customer_id = event."into" FROM {rows("event", UserMerged, "user_id", "into")}
WHERE purchases.customer_id = event.user_id
""")


async def add(tx: Transaction, purchases: Sequence[Purchase]) -> None:
    await ADD.execute(tx, added=purchases)


async def deliver(tx: Transaction, order_ids: Sequence[UUID]) -> None:
    await DELIVER.execute(tx, order_ids=order_ids)


async def take_back(tx: Transaction, order_ids: Sequence[UUID]) -> None:
    """All goods of these orders were returned."""
    await RETURN.execute(tx, order_ids=order_ids)


async def delete(tx: Transaction, order_ids: Sequence[UUID]) -> None:
    await DELETE.execute(tx, order_ids=order_ids)


async def erase(tx: Transaction, user_ids: Sequence[UUID]) -> None:
    """The purchases stay without their customers, since they say what is bought together."""
    await ERASE.execute(tx, user_ids=user_ids)


async def merge(tx: Transaction, events: Sequence[UserMerged]) -> None:
    await MERGE.execute(tx, event=events)
