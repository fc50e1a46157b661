"""Events of the order service about parcels that are still to leave."""

from contracts.events.inventory_deduction import FulfilmentRefunded
from inventory_service.shipments import use_cases
from service_kit.database import Transaction
from service_kit.messaging import consumes


@consumes(FulfilmentRefunded, batch=True)
async def mark_refunded(tx: Transaction, events: list[FulfilmentRefunded]) -> None:
    """For an order with two events the later one counts."""
    await use_cases.mark_refunded(tx, {event.order_id: event.refunded for event in events})
