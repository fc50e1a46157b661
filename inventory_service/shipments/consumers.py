"""What order tells of parcels that are still to leave."""

from contracts.events.inventory_deduction import FulfilmentRefunded
from inventory_service.shipments import use_cases
from service_kit.database import HotTx
from service_kit.messaging import consumes


@consumes(FulfilmentRefunded, batch=True)
async def mark_refunded(tx: HotTx, events: list[FulfilmentRefunded]) -> None:
    """Of an order that is told of twice the later word stands."""
    await use_cases.mark_refunded(tx, {event.order_id: event.refunded for event in events})
