"""What the user service tells of accounts."""

from contracts.events.users import UserChanged, UserErased
from inventory_service.people import queries
from service_kit.database import HotTx
from service_kit.messaging import Envelope, consumes
from service_kit.security import standing


@consumes(UserChanged, batch=True)
async def remember(tx: HotTx, events: list[UserChanged], envelopes: list[Envelope]) -> None:
    """What staff may do by now."""
    await standing.remember(tx, events, [envelope.time for envelope in envelopes])


@consumes(UserErased, batch=True)
async def forget(tx: HotTx, events: list[UserErased]) -> None:
    """What we hold of them goes, but for the addresses of parcels that are still to leave (`forget_erased`)."""
    await standing.forget(tx, events)
    await queries.forget(tx, [event.user_id for event in events])
