"""Events of the order service about returns that it has approved."""

from contracts.events.inventory_deduction import ReturnExpected
from inventory_service.returns import use_cases
from service_kit.database import Transaction
from service_kit.messaging import consumes


@consumes(ReturnExpected, batch=True)
async def expect(tx: Transaction, events: list[ReturnExpected]) -> None:
    """Stores returns that the order service has approved, so that a warehouse can receive them."""
    await use_cases.expect(tx, events)
