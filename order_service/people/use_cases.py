"""What becomes of the data of those whose accounts were erased: orders stay for the books, without the person."""

from collections.abc import Collection
from uuid import UUID

from order_service.orders import use_cases as orders
from order_service.orders.models import Actor, Trigger
from order_service.orders.state import Cause
from order_service.orders.use_cases import Step
from order_service.people import queries
from service_kit.clock import utcnow
from service_kit.database import HotTx
from service_kit.runtime import Runtime
from service_kit.security import standing


async def forget(tx: HotTx, user_ids: Collection[UUID]) -> None:
    """Calls off what they can't pay any more, since nobody can sign in for it; then nothing needs their address."""
    cause = Cause(utcnow(), Actor.CLOCK, reason="the account was erased")
    unpaid = await queries.lock_unpaid(tx, user_ids)
    await orders.hear(tx, [Step(order_id, Trigger.CANCEL, cause) for order_id in unpaid])
    await queries.forget(tx, user_ids)


async def forget_erased(runtime: Runtime) -> None:
    """A job: what a token that had not ended yet has brought since."""
    async with runtime.database.hot_tx() as tx:
        if erased := await standing.erased_lately(tx):
            await forget(tx, erased)
