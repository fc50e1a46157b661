"""Events after the erasure of an account."""

from contracts.events.users import UserErased
from service_kit.messaging import outbox
from tests.harness.service import Served
from user_service.personal_data import republish_erasures
from user_service.tests.person import Person

AGE = "UPDATE account_status SET changed_at = changed_at - make_interval(hours => $1)"


async def test_the_terminal_event_is_published_again_a_day_later(service: Served) -> None:
    ada = await Person(service).register()
    assert (await service.caller(role="User", user_id=ada.id).delete("/users/me")).status_code == 204
    last = UserErased(user_id=ada.id, version=2)
    for hours, emitted in ((1, 1), (26, 2), (30, 2)):
        async with service.runtime.database.connection() as connection:
            await connection.execute(AGE, hours)
        await republish_erasures(service.runtime)
        assert await service.events(UserErased) == [last] * emitted


async def test_published_events_of_an_erased_account_are_deleted(service: Served) -> None:
    ada = await Person(service).register()
    other = await Person(service, "other@example.com").register()
    async with service.runtime.database.connection() as connection:
        await connection.execute("UPDATE outbox SET published_at = now()")
    assert (await service.caller(role="User", user_id=ada.id).delete("/users/me")).status_code == 204
    left = [event.user_id for event in await service.events()]
    assert left == [other.id, ada.id]
    async with service.runtime.database.transaction() as tx:
        await outbox.delete_published(tx, str(ada.id))
    assert len(await service.events(UserErased)) == 1, "what has not left yet stays"
