"""Events of inventory about returned goods."""

from contracts.events.shipment_notification import ReturnClosed, ReturnReceived
from order_service.returns import use_cases
from order_service.returns.use_cases import Received
from service_kit.database import Transaction
from service_kit.messaging import Envelope, consumes


@consumes(ReturnReceived, batch=True)
@consumes(ReturnClosed, batch=True)
async def on_returns(tx: Transaction, events: list[ReturnReceived | ReturnClosed], envelopes: list[Envelope]) -> None:
    """One handler for both event types, so that a batch locks its orders once."""
    await use_cases.apply_received(
        tx, [_received(event, envelope) for event, envelope in zip(events, envelopes, strict=True)]
    )


def _received(event: ReturnReceived | ReturnClosed, envelope: Envelope) -> Received:
    """A closed return has no pieces, since none arrived."""
    lines = event.lines if isinstance(event, ReturnReceived) else []
    came = {line.product_id: line.restocked + line.scrapped for line in lines}
    return Received(event.return_id, event.order_id, came, envelope.traceparent)
