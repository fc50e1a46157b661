"""What the user service tells of accounts."""

from contracts.events.users import UserChanged, UserErased
from service_kit.database import HotTx
from service_kit.messaging import Envelope, consumes
from service_kit.security import standing


@consumes(UserChanged, batch=True)
async def remember(tx: HotTx, events: list[UserChanged], envelopes: list[Envelope]) -> None:
    """What staff may do by now."""
    await standing.remember(tx, events, [envelope.time for envelope in envelopes])


@consumes(UserErased, batch=True)
async def forget(tx: HotTx, events: list[UserErased]) -> None:
    """Nothing any more."""
    await standing.forget(tx, events)
