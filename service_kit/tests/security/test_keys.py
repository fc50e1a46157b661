"""The key ring keeps the last valid keys while the user service is unavailable or responds with invalid ones."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jose.utils import long_to_base64
from prometheus_client import REGISTRY

from service_kit.database import Database
from service_kit.problems import Unauthenticated
from service_kit.security import keys as module
from service_kit.security.keys import KeyRing, UnusableKeySet, over_http, read_key_set
from service_kit.security.tokens import TokenVerifier
from tests.harness import tokens
from tests.harness.databases import drop_database, new_database

GOOD = tokens.key_set()
KEY = GOOD["keys"][0]


class UserService:
    """Responds with `answer` when its keys are fetched, and counts the fetches."""

    def __init__(self, answer: object = GOOD) -> None:
        self.answer = answer
        self.asked = 0

    async def __call__(self) -> Any:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


AWAY = ConnectionError("away")


@pytest.fixture
def url() -> Iterator[str]:
    """The URL of a service's database."""
    url = new_database("order_service")
    yield url
    drop_database(url)


@asynccontextmanager
async def ring_on(
    url: str, fetch: Callable[[], Awaitable[Any]], refresh_seconds: float = 300
) -> AsyncIterator[KeyRing]:
    database = Database(url, session_pool_size=1, asyncpg_pool_size=1)
    ring = KeyRing(fetch, database, refresh_seconds)
    await ring.start()
    try:
        yield ring
    finally:
        await ring.stop()
        await database.close()


async def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


def accepts(ring: KeyRing, token: str) -> bool:
    """Whether a new verifier, without a cached result for the token, accepts it."""
    try:
        return bool(TokenVerifier(ring, tokens.ISSUER).verify(token))
    except Unauthenticated:
        return False


async def test_a_service_starts_and_verifies_while_the_user_service_is_down(url: str) -> None:
    async with ring_on(url, UserService()) as ring:
        await until(lambda: ring.ready and ring.age() < 1)
        async with ring._database.connection() as connection:
            while not await connection.fetchval("SELECT count(*) FROM verification_keys"):
                await asyncio.sleep(0.01)
    async with ring_on(url, UserService(AWAY)) as ring:
        assert ring.ready, "stored keys can be used before the first fetch"
        assert accepts(ring, tokens.token())


async def test_the_last_good_keys_are_used_for_hours(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_PAUSE", 0.01)
    user_service = UserService()
    async with ring_on(url, user_service, refresh_seconds=0.01) as ring:
        await until(lambda: user_service.asked > 2)
        user_service.answer = AWAY
        before = user_service.asked
        await until(lambda: user_service.asked > before + 5)
        ring._fetched_at -= 5 * 3600
        before = user_service.asked
        await until(lambda: user_service.asked > before + 5)
        assert accepts(ring, tokens.token())
        assert REGISTRY.get_sample_value("verification_keys_age_seconds") == pytest.approx(ring.age(), abs=1)

        user_service.answer = GOOD
        await until(lambda: ring.age() < 1)


async def test_the_age_of_the_keys_is_reported_while_fetching_fails(url: str) -> None:
    """The age grows until a fetch succeeds, and a restart does not reset it."""
    async with ring_on(url, UserService(AWAY)) as ring:
        assert ring.age() == float("inf")
        assert REGISTRY.get_sample_value("verification_keys_age_seconds") == float("inf")
    user_service, older = UserService(), "UPDATE verification_keys SET fetched_at = now() - interval '2 h'"
    async with ring_on(url, user_service) as ring:
        await until(lambda: user_service.asked == 1 and ring.age() < 1)
        first = ring.age()
        await until(lambda: ring.age() > first)
        async with ring._database.connection() as connection:
            while await connection.execute(older) == "UPDATE 0":
                await asyncio.sleep(0.01)
    async with ring_on(url, UserService(AWAY)) as ring:
        assert REGISTRY.get_sample_value("verification_keys_age_seconds") == pytest.approx(7200, abs=30)


async def test_keys_that_another_process_fetched_are_loaded(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process started while neither the user service nor the database had any keys."""
    monkeypatch.setattr(module, "RETRY_PAUSE", 0.02)
    async with ring_on(url, UserService(AWAY)) as ring:
        assert not ring.ready
        async with ring_on(url, UserService()):
            await until(lambda: ring.ready)
        assert accepts(ring, tokens.token())


async def test_ten_thousand_unknown_keys_cause_one_background_fetch(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UNKNOWN_KEY_PAUSE", 0.5)
    user_service = UserService()
    hanging = asyncio.Event()

    async def fetch() -> Any:
        answer = await user_service()
        if user_service.asked > 1:
            await hanging.wait()
        return answer

    async with ring_on(url, fetch) as ring:
        await until(lambda: user_service.asked == 1 and ring.age() < 1)
        verifier, started = TokenVerifier(ring, tokens.ISSUER), time.monotonic()
        unknown, known = tokens.token(headers={"kid": "made up"}), tokens.token()
        for number in range(10_000):
            with pytest.raises(Unauthenticated):
                verifier.verify(unknown)
            if number % 500 == 0:
                await asyncio.sleep(0)
        assert time.monotonic() - started < 5
        await until(lambda: user_service.asked == 2)  # this fetch hangs
        assert verifier.verify(known)
        with pytest.raises(Unauthenticated):
            verifier.verify(unknown)
        hanging.set()
        asked_at = time.monotonic()
        await until(lambda: user_service.asked == 3)
        assert time.monotonic() - asked_at > 0.2, "the next fetch comes only after the pause"


async def test_a_new_key_is_found_soon_after_its_first_token(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UNKNOWN_KEY_PAUSE", 0.05)
    user_service = UserService()
    async with ring_on(url, user_service) as ring:
        await until(lambda: ring.age() < 1)
        user_service.answer = {"keys": [KEY, {**KEY, "kid": "new"}]}
        new = tokens.token(headers={"kid": "new"})
        assert not accepts(ring, new)
        await until(lambda: accepts(ring, new))


@pytest.mark.parametrize("turns", range(5))
async def test_the_refresher_stops_even_if_it_is_woken_at_the_same_moment(url: str, turns: int) -> None:
    user_service = UserService()
    async with ring_on(url, user_service) as ring:
        await until(lambda: ring.age() < 1)
        await until(lambda: bool(ring._wake._waiters))
        ring._wake.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(2):
            await ring.stop()


def weak() -> dict[str, Any]:
    numbers = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key().public_numbers()
    return {"kty": "RSA", "kid": "weak", "n": long_to_base64(numbers.n).decode(), "e": "AQAB"}


BAD: dict[str, object] = {
    "nothing": {"keys": []},
    "null": None,
    "a list": [KEY],
    "no keys": {},
    "keys that are no list": {"keys": {"kid": KEY}},
    "a string": "<html>busy</html>",
    "keys that are no objects": {"keys": ["a", 7, None]},
    "a key that is broken": {"keys": [KEY, {**KEY, "kid": "b", "n": "!!"}]},
    "a key without numbers": {"keys": [{"kty": "RSA", "kid": "b"}]},
    "keys without id": {"keys": [{name: value for name, value in KEY.items() if name != "kid"}]},
    "an id that is no string": {"keys": [{**KEY, "kid": 7}]},
    "keys for other ends": {"keys": [{**KEY, "use": "enc"}, {**KEY, "alg": "RS512"}, {"kty": "EC", "kid": "e"}]},
    "a secret": {"keys": [{"kty": "oct", "kid": "s", "k": "c2VjcmV0"}]},
    "too many": {"keys": [{**KEY, "kid": str(number)} for number in range(200)]},
    "a weak key": {"keys": [KEY, weak()]},
}


@pytest.mark.parametrize("what", BAD)
async def test_an_invalid_key_set_does_not_replace_the_keys(
    url: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_PAUSE", 0.01)
    user_service = UserService()
    async with ring_on(url, user_service, refresh_seconds=0.01) as ring:
        await until(lambda: user_service.asked > 2)
        user_service.answer = BAD[what]
        before = user_service.asked
        await until(lambda: user_service.asked > before + 3)
        assert accepts(ring, tokens.token())
        async with ring._database.connection() as connection:
            assert await connection.fetchval("SELECT jwks FROM verification_keys") == GOOD


def test_keys_for_other_algorithms_are_ignored() -> None:
    assert list(read_key_set({"keys": [{"kty": "EC", "kid": "e"}, KEY, {**KEY, "kid": "x", "use": "enc"}]})) == [
        tokens.KEY_ID
    ]


@asynccontextmanager
async def web_server(answer: bytes, *, keep_sending: bool = False) -> AsyncIterator[str]:
    """A server that responds with these bytes, and then optionally sends data without end."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        try:
            while keep_sending:
                writer.write(b" " * 65_536)
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks.json"
    finally:
        server.close()


async def test_keys_are_fetched_over_http() -> None:
    body = json.dumps(GOOD).encode()
    async with web_server(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)) as url:
        assert await over_http(url)() == GOOD


async def test_an_endless_response_is_aborted() -> None:
    async with web_server(b"HTTP/1.1 200 OK\r\n\r\n", keep_sending=True) as url:
        with pytest.raises(UnusableKeySet):
            await over_http(url)()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<html></h",
        b"nonsense\r\n\r\n",
    ],
)
async def test_an_error_page_is_no_key_set(answer: bytes) -> None:
    async with web_server(answer) as url:
        with pytest.raises(Exception, match=r".+"):
            await over_http(url)()
