"""How many unknown codes somebody can try."""

import asyncio
from uuid import uuid4

import pytest

from order_service.promotions import guesses
from order_service.promotions.guesses import Guesser, TooManyCodeGuesses
from order_service.promotions.jobs import prune_guesses
from order_service.settings import Settings
from order_service.tests.conftest import Shop

OFFICE = Guesser(("account:1", "network:10.0.0.1"), 10)
OLDER = "UPDATE code_guesses SET at = at - interval '1 second' * $1"


async def record(shop: Shop, who: Guesser, count: int) -> None:
    async with shop.runtime.database.connection() as connection:
        await guesses.record(connection, who, count)


async def check(shop: Shop, who: Guesser | None) -> None:
    async with shop.runtime.database.connection() as connection:
        await guesses.check(connection, who)


async def test_after_ten_unknown_codes_the_account_and_the_network_wait(shop: Shop) -> None:
    await record(shop, OFFICE, 4)
    await shop.execute(OLDER, 600)
    await record(shop, OFFICE, 5)
    await check(shop, OFFICE)
    await record(shop, OFFICE, 1)
    for who in (OFFICE, Guesser(("account:2", "network:10.0.0.1"), 10), Guesser(("account:1",), 10)):
        with pytest.raises(TooManyCodeGuesses) as rejected:
            await check(shop, who)
        seconds = int(rejected.value.headers["Retry-After"])
        assert 290 <= seconds <= 300, "when the oldest of the ten no longer counts"
        assert rejected.value.headers["RateLimit-Policy"] == '"unknown-codes";q=10;w=900'
        assert rejected.value.headers["RateLimit"] == f'"unknown-codes";r=0;t={seconds}'
    await check(shop, Guesser(("account:2", "network:10.0.0.2"), 10))
    await shop.execute(OLDER, 301)
    await check(shop, OFFICE)


async def test_concurrent_guesses_are_all_counted(shop: Shop) -> None:
    await asyncio.gather(*(record(shop, OFFICE, 1) for _ in range(20)))
    assert await shop.execute("SELECT count(*) FROM code_guesses") == 40
    with pytest.raises(TooManyCodeGuesses):
        await check(shop, OFFICE)


async def test_guesses_are_deleted_when_they_no_longer_count(shop: Shop) -> None:
    await record(shop, OFFICE, 1)
    await shop.execute(OLDER, 901)
    await record(shop, OFFICE, 1)
    await prune_guesses(shop.runtime)
    assert await shop.execute("SELECT count(*) FROM code_guesses") == 2


async def test_the_limit_is_a_setting(shop: Shop) -> None:
    account = uuid4()
    settings = shop.runtime.resource(Settings)
    assert Guesser.of(settings, account, "10.0.0.1") is None, "limits are off in these tests"
    on = settings.model_copy(update={"limits": True})
    assert Guesser.of(on, account, None) == Guesser((f"account:{account}",), 10)
    assert Guesser.of(on.model_copy(update={"unknown_codes": 0}), account, None) is None
    await check(shop, None)
