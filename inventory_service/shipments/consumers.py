"""Events of the order service about parcels that are not dispatched yet."""

from contracts.events.inventory_deduction import FulfilmentRefunded
from inventory_service.shipments import queries
from service_kit.database import Transaction
from service_kit.messaging import consumes


@consumes(FulfilmentRefunded, batch=True)
async def mark_refunded(tx: Transaction, events: list[FulfilmentRefunded]) -> None:
    """Marks shipments as refunded or not, by the last event of each order."""
    await queries.MARK_REFUNDED.execute(tx, reported=list({event.order_id: event for event in events}.values()))
