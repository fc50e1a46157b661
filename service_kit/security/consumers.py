"""What every service keeps of sessions and API clients, beside what its own consumers keep of people."""

from contracts.events.users import ApiClientChanged, SessionEnded
from service_kit.database import HotTx
from service_kit.messaging import Envelope, consumes
from service_kit.security import standing


@consumes(SessionEnded, batch=True)
async def end_sessions(tx: HotTx, events: list[SessionEnded]) -> None:
    """Their access tokens are refused from now on."""
    await standing.end_sessions(tx, events)


@consumes(ApiClientChanged, batch=True)
async def remember_clients(tx: HotTx, events: list[ApiClientChanged], envelopes: list[Envelope]) -> None:
    """What programs may do by now."""
    await standing.remember(tx, events, [envelope.time for envelope in envelopes])
