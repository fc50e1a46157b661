"""Events of the order service about parcels that are still to leave."""

from contracts.events.inventory_deduction import FulfilmentRefunded
from inventory_service.shipments import queries
from service_kit.database import Transaction
from service_kit.messaging import consumes


@consumes(FulfilmentRefunded, batch=True)
async def mark_refunded(tx: Transaction, events: list[FulfilmentRefunded]) -> None:
    """Of several events of an order, the last one counts."""
    await queries.MARK_REFUNDED.execute(tx, reported=list({event.order_id: event for event in events}.values()))
