"""Events in: who there is to tell."""

from contracts.events.users import UserChanged, UserErased
from notification_service.recipients import use_cases
from service_kit.database import HotTx
from service_kit.messaging import Envelope, consumes
from service_kit.security import standing


@consumes(UserChanged, batch=True)
async def remember(tx: HotTx, events: list[UserChanged], envelopes: list[Envelope]) -> None:
    """Our own copy of the users, and what they may do by now; what waited for one of them is told now."""
    await use_cases.remember(tx, events)
    await standing.remember(tx, events, [envelope.time for envelope in envelopes])


@consumes(UserErased, batch=True)
async def forget(tx: HotTx, events: list[UserErased]) -> None:
    """Whatever we held of the user is gone: copy, inbox, preferences and the log of their mail."""
    await use_cases.forget(tx, events)
    await standing.forget(tx, events)
