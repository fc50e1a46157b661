"""Requests of the order service."""

from contracts.events.inventory_deduction import (
    FulfilmentRequested,
    InventoryRequest,
    ReleaseRequested,
    ReservationRequested,
)
from inventory_service.reservations import use_cases
from service_kit.database import Transaction
from service_kit.messaging import Envelope, consumes


@consumes(ReservationRequested, batch=True)
@consumes(ReleaseRequested, batch=True)
@consumes(FulfilmentRequested, batch=True)
async def on_requests(
    tx: Transaction,
    requests: list[InventoryRequest],
    envelopes: list[Envelope],
) -> None:
    """Handles all three types together, so that a batch locks reservations and stock once."""
    await use_cases.answer(tx, requests, [envelope.traceparent for envelope in envelopes])
