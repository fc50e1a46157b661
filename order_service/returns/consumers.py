"""Events of inventory about returned goods."""

from contracts.events.shipment_notification import ReturnClosed, ReturnReceived
from order_service.returns import use_cases
from order_service.returns.use_cases import Received
from service_kit.database import Transaction
from service_kit.messaging import Envelope, consumes


@consumes(ReturnReceived, batch=True)
async def on_returns_received(tx: Transaction, events: list[ReturnReceived], envelopes: list[Envelope]) -> None:
    """Together, so that a batch locks its orders once."""
    await use_cases.apply_received(
        tx, [_received(event, envelope) for event, envelope in zip(events, envelopes, strict=True)]
    )


@consumes(ReturnClosed, batch=True)
async def on_return_closed(tx: Transaction, events: list[ReturnClosed], envelopes: list[Envelope]) -> None:
    """Nothing came of them."""
    await use_cases.apply_received(
        tx,
        [
            Received(event.return_id, event.order_id, {}, envelope.traceparent)
            for event, envelope in zip(events, envelopes, strict=True)
        ],
    )


def _received(event: ReturnReceived, envelope: Envelope) -> Received:
    came = {line.product_id: line.restocked + line.scrapped for line in event.lines}
    return Received(event.return_id, event.order_id, came, envelope.traceparent)
