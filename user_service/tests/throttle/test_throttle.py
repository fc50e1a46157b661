"""The limits of guesses of a password, which can't be used to lock the owner out."""

from asyncio import gather
from collections import Counter
from datetime import timedelta

import httpx
import pytest
from fastapi import Request

from service_kit.http.client import client_address
from service_kit.settings import ServiceSettings
from tests.harness.databases import new_database
from user_service.audit.devices import COOKIE, SECURE_COOKIE
from user_service.settings import Settings
from user_service.tests.conftest import ADA, Accounts, open_accounts
from user_service.throttle.use_cases import prune

HOME, OFFICE, ELSEWHERE = "192.0.2.1", "192.0.2.2", "198.51.100.9"


async def guess(accounts: Accounts, address: str, times: int = 1, **changes: str) -> list[httpx.Response]:
    """Tries so many wrong passwords concurrently."""
    client = accounts.at(address)
    return list(await gather(*(accounts.sign_in(client, password=f"wrong {n}", **changes) for n in range(times))))


async def lock_strangers_out(accounts: Accounts) -> None:
    """Tries wrong passwords from many addresses."""
    for number in range(1, 200):
        answers = await guess(accounts, f"203.0.113.{number}", 4)
        if 429 in {answer.status_code for answer in answers}:
            return
    raise AssertionError("nobody was ever refused")


async def wait(accounts: Accounts, time: timedelta) -> None:
    """Moves all buckets so far back in time."""
    await accounts.sql("UPDATE tries SET full_until = full_until - $1::interval", time)


def statuses(answers: list[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


async def test_an_account_allows_so_many_failures_an_hour_from_all_addresses() -> None:
    async with open_accounts(limits=True, unknown_device_attempts=20) as accounts:
        await accounts.register()
        places = [f"203.0.113.{number}" for number in range(1, 41)]
        answers = [each for found in await gather(*(guess(accounts, place) for place in places)) for each in found]
        assert statuses(answers) == {400: 10, 429: 30}
        looked_at = 10
        for _ in range(10):  # an hour of going on, six minutes at a time
            await wait(accounts, timedelta(minutes=6, seconds=1))
            answers = [(await guess(accounts, place))[0] for place in places[:3]]
            looked_at += statuses(answers)[400]
        assert looked_at == 20


async def test_by_default_an_account_allows_no_more_than_a_hundred_failures_known_networks_included() -> None:
    async with open_accounts(limits=True) as accounts:
        settings = accounts.served.runtime.resource(Settings)
        assert settings.unknown_device_attempts + settings.all_known_devices_attempts <= 100
        await accounts.register()
        homes = [f"192.0.2.{number}" for number in range(1, 11)]
        for home in homes:
            assert (await accounts.sign_in(accounts.at(home))).status_code == 200
        strangers = [f"203.0.113.{number}" for number in range(1, 11)]
        answers = [await guess(accounts, place, 8) for place in homes + strangers]
        assert statuses([each for found in answers for each in found])[400] == 50  # and as many as the hour goes by


async def test_the_rejection_names_the_time_until_the_next_try() -> None:
    async with open_accounts(limits=True, unknown_device_attempts=4) as accounts:
        await accounts.register()
        answers = await guess(accounts, ELSEWHERE, 3)
        assert statuses(answers) == {400: 2, 429: 1}
        [answer] = [answer for answer in answers if answer.status_code == 429]
        seconds = int(answer.headers["Retry-After"])
        assert 1790 < seconds <= 1800
        assert answer.headers["RateLimit-Policy"] == '"sign-in";q=4;w=3600'
        assert answer.headers["RateLimit"] == f'"sign-in";r=0;t={seconds}'
        assert answer.json()["type"] == "/problems/too-many-requests"
        assert (await accounts.sign_in(accounts.at(ELSEWHERE))).status_code == 429, (
            "not even the right one is looked at"
        )
        await wait(accounts, timedelta(seconds=seconds))
        assert (await accounts.sign_in(accounts.at(ELSEWHERE))).status_code == 200


async def test_unknown_devices_cannot_lock_out_a_known_network() -> None:
    async with open_accounts(limits=True, unknown_device_attempts=10) as accounts:
        await accounts.register()
        assert (await accounts.sign_in(accounts.at(HOME))).status_code == 200
        await lock_strangers_out(accounts)
        assert (await accounts.sign_in(accounts.at(ELSEWHERE))).status_code == 429
        for _ in range(8):
            assert (await accounts.sign_in(accounts.at(HOME))).status_code == 200


async def test_unknown_devices_cannot_lock_out_a_known_device() -> None:
    async with open_accounts(limits=True, unknown_device_attempts=10) as accounts:
        await accounts.register()
        cookie = (await accounts.sign_in(accounts.at(HOME))).cookies[COOKIE]
        await lock_strangers_out(accounts)
        device = accounts.at(ELSEWHERE)
        device.cookies.set(COOKIE, cookie)
        for _ in range(8):
            again = await accounts.sign_in(device)
            assert again.status_code == 200
        assert again.cookies[COOKIE] == cookie, "a device keeps what it is known by"


async def test_a_known_device_may_guess_little_more_than_its_owner_mistypes() -> None:
    async with open_accounts(limits=True, unknown_device_attempts=2, known_device_attempts=6) as accounts:
        await accounts.register()
        assert (await accounts.sign_in(accounts.at(HOME))).status_code == 200
        await lock_strangers_out(accounts)
        assert statuses(await guess(accounts, HOME, 10)) == {400: 3, 429: 7}


@pytest.mark.parametrize("forged", ["", "a.1.b", "..", "x" * 300, "{0}0", "0{0}", "{0}.1"])
async def test_a_forged_device_cookie_is_ignored(forged: str) -> None:
    async with open_accounts(limits=True, unknown_device_attempts=4) as accounts:
        await accounts.register()
        cookie = (await accounts.sign_in(accounts.at(HOME))).cookies[COOKIE]
        await lock_strangers_out(accounts)
        device = accounts.at(ELSEWHERE)
        device.cookies.set(COOKIE, forged.format(cookie))
        assert (await accounts.sign_in(device)).status_code == 429


async def test_over_https_the_device_cookie_has_the_secure_prefix() -> None:
    """A cookie under the former name is still accepted."""
    async with open_accounts(limits=True, unknown_device_attempts=10, public_issuer="https://users.test") as accounts:
        await accounts.register()
        signed_in = await accounts.sign_in(accounts.at(HOME))
        published = signed_in.headers["Set-Cookie"]
        assert published.startswith(f"{SECURE_COOKIE}=")
        assert {"Secure", "HttpOnly", "Path=/auth/token"} <= set(published.split("; "))
        _, _, value = published.partition(";")[0].partition("=")
        await lock_strangers_out(accounts)
        for name in (SECURE_COOKIE, COOKIE):
            device = accounts.at(ELSEWHERE)
            device.headers["Cookie"] = f"{name}={value}"
            assert (await accounts.sign_in(device)).status_code == 200


async def test_a_device_is_known_for_its_own_account_only() -> None:
    async with open_accounts(limits=True, unknown_device_attempts=4) as accounts:
        await accounts.register()
        await accounts.register(email="mallory@example.com")
        mallory = accounts.at(ELSEWHERE)
        answer = await accounts.sign_in(mallory, username="mallory@example.com")
        assert COOKIE in answer.cookies
        await lock_strangers_out(accounts)
        assert (await accounts.sign_in(mallory)).status_code == 429


async def test_after_a_reset_the_owner_can_sign_in_despite_exhausted_limits() -> None:
    async with open_accounts(limits=True, unknown_device_attempts=4) as accounts:
        await accounts.register()
        await lock_strangers_out(accounts)
        body = {"token": await accounts.reset_code(), "new_password": "staple orbit lantern"}
        owner = accounts.at(ELSEWHERE)
        assert (await owner.post("/auth/password-reset/confirm", json=body)).status_code == 204
        assert (await accounts.sign_in(owner, password="staple orbit lantern")).status_code == 200


async def test_an_ip_address_has_a_limit_across_accounts() -> None:
    async with open_accounts(limits=True, address_attempts=10) as accounts:
        answers = [
            answer for number in range(8) for answer in await guess(accounts, HOME, 1, username=f"{number}@example.com")
        ]
        assert statuses(answers) == {400: 5, 429: 3}
        assert answers[-1].headers["RateLimit-Policy"] == '"sign-in-address";q=10;w=3600'
        assert statuses(await guess(accounts, OFFICE, 1)) == {400: 1}
        # The neighbours of one IPv6 address are the same customer of the same provider.
        many = [(await guess(accounts, f"2001:db8::{number}", 1, username=f"{number}@x.com"))[0] for number in range(8)]
        assert statuses(many) == {400: 5, 429: 3}


async def test_tries_for_an_account_that_does_not_exist_are_counted_too() -> None:
    async with open_accounts(limits=True, unknown_device_attempts=6) as accounts:
        await accounts.register()
        found, unknown = await guess(accounts, HOME, 5), await guess(accounts, OFFICE, 5, username="nobody@example.com")
        assert statuses(found) == statuses(unknown) == {400: 3, 429: 2}
        published = {(each.status_code, each.json()["detail"].partition(" in ")[0]) for each in found}
        assert published == {(each.status_code, each.json()["detail"].partition(" in ")[0]) for each in unknown}


async def test_right_passwords_are_not_counted() -> None:
    async with open_accounts(
        limits=True, unknown_device_attempts=4, known_device_attempts=4, all_known_devices_attempts=4
    ) as accounts:
        await accounts.register()
        for number in range(1, 12):
            assert (await accounts.sign_in(accounts.at(f"192.0.2.{number}"))).status_code == 200
        assert (
            await accounts.sql("SELECT key FROM tries WHERE full_until > clock_timestamp() AND key LIKE 'sign-in%'")
            == []
        )


async def test_all_processes_share_the_counts() -> None:
    url = new_database("user_service")
    async with (
        open_accounts(limits=True, unknown_device_attempts=20, database_url=url) as one,
        open_accounts(limits=True, unknown_device_attempts=20, database_url=url) as two,
    ):
        await one.register()
        places = [f"203.0.113.{number}" for number in range(1, 21)]
        answers = await gather(*(guess(accounts, place) for place in places for accounts in (one, two)))
        assert statuses([each for found in answers for each in found]) == {400: 10, 429: 30}


async def test_registrations_and_requested_mails_are_limited_by_ip_address() -> None:
    async with open_accounts(limits=True, requests_of_address=6) as accounts:
        home = accounts.at(HOME)
        made = [await home.post("/users", json={**ADA, "email": f"{n}@example.com"}) for n in range(2)]
        asked = [await home.post("/auth/password-reset", json={"email": f"{n}@example.com"}) for n in range(3)]
        assert [answer.status_code for answer in (*made, *asked)] == [201, 201, 202, 429, 429]
        assert (await accounts.at(OFFICE).post("/users", json=ADA)).status_code == 201
        staff = accounts.staff
        codes = [(await staff.post("/users", json={**ADA, "email": f"s{n}@example.com"})).status_code for n in range(8)]
        assert set(codes) == {201}


async def test_limits_are_on_in_production_only_by_default() -> None:
    async with open_accounts() as accounts:
        await accounts.register()
        assert statuses(await guess(accounts, HOME, 40)) == {400: 40}
        assert await accounts.sql("SELECT 1 FROM tries") == []
    strict = {
        "plain_http_hosts": "users.test",
        "password_memory_kib": 19_456,
        "password_rounds": 2,
        "password_grant_clients": "*",
    }
    secret = "a secret of the tests, with some variety"
    async with open_accounts(environment="production", key_encryption_secret=secret, **strict) as accounts:
        await accounts.register()
        assert statuses(await guess(accounts, HOME, 40)) == {400: 30, 429: 10}


async def test_unused_buckets_and_old_networks_are_deleted() -> None:
    async with open_accounts(limits=True) as accounts:
        await accounts.register()
        await guess(accounts, HOME, 2)
        await wait(accounts, timedelta(hours=1))
        await accounts.sql(
            "INSERT INTO known_addresses SELECT id, '192.0.2.9', now() - interval '91 days' FROM accounts"
        )
        await prune(accounts.served.runtime)
        assert await accounts.sql("SELECT 1 FROM tries") == []
        assert await accounts.sql("SELECT 1 FROM known_addresses") == []


# --- where a request comes from ---


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "address"),
    [
        (HOME, ELSEWHERE, "", HOME),
        (HOME, ELSEWHERE, "10.0.0.0/8", HOME),
        ("10.0.0.1", ELSEWHERE, "10.0.0.0/8", ELSEWHERE),
        ("10.0.0.1", f"{HOME}, {ELSEWHERE}", "10.0.0.0/8", ELSEWHERE),
        ("10.0.0.1", f"{HOME}, {ELSEWHERE}, 10.0.0.7", "10.0.0.0/8", ELSEWHERE),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.0/8", "10.0.0.3"),
        ("10.0.0.1", None, "10.0.0.0/8, 192.0.2.77", "10.0.0.1"),
        ("10.0.0.1", "nonsense", "10.0.0.0/8", "unknown"),
        ("::ffff:192.0.2.1", None, "", HOME),
        ("2001:DB8:0::1", None, "", "2001:db8::1"),
    ],
)
def test_a_forwarded_address_is_trusted_from_our_own_proxies_only(
    peer: str, forwarded: str | None, proxies: str, address: str
) -> None:
    class Settings(ServiceSettings, service="shop"):
        port: int = 0

    settings = Settings(
        database_url="postgresql://x/x", kafka_bootstrap_servers="x", public_issuer="x", trusted_proxies=proxies
    )
    headers = [(b"x-forwarded-for", forwarded.encode())] if forwarded else []

    class App:
        class state:  # noqa: N801
            class runtime:  # noqa: N801
                pass

    App.state.runtime.settings = settings  # type: ignore[attr-defined]
    assert client_address(Request({"type": "http", "client": (peer, 1), "headers": headers, "app": App})) == address


def test_an_invalid_proxy_address_is_rejected_at_the_start() -> None:
    class Settings(ServiceSettings, service="shop"):
        port: int = 0

    with pytest.raises(ValueError, match="trusted_proxies"):
        Settings(database_url="x", kafka_bootstrap_servers="x", public_issuer="x", trusted_proxies="localhost")
