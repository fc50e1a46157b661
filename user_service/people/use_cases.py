"""What is left to do when an account is gone."""

from contracts.events.users import UserErased
from service_kit.messaging import outbox
from service_kit.runtime import Runtime
from service_kit.security import standing


async def repeat_erasures(runtime: Runtime) -> None:
    """A job: says `user.erased` once more, a day later.

    The broker compacts the topic's closed segments only, and closes one when something is said after its day: in a
    partition where nobody else says anything, the person's last snapshot would stay. A repeat is harmless, and takes
    out of the other services what had not left them at the first time.
    """
    async with runtime.database.hot_tx() as tx:
        for user_id, version in await standing.erased_a_day_ago(tx):
            await outbox.add(tx, UserErased(user_id=user_id, version=version))
            await outbox.forget_published(tx, str(user_id))
