"""Signing keys: rotated on schedule and on demand, while no valid token is rejected at any moment."""

import sys
from asyncio import create_subprocess_exec, gather, subprocess
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from os import environ
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from jose import jwt
from pydantic import SecretStr

from contracts.permissions import Permission
from service_kit.problems import Unauthenticated
from service_kit.runtime import Runtime
from service_kit.security.keys import KeyRing
from service_kit.security.tokens import TokenVerifier
from tests.harness import tokens
from tests.harness.service import Served
from user_service.keys.models import Schedule, SigningKey
from user_service.keys.signer import Signer
from user_service.keys.use_cases import encrypt_again, maintain_keys, replace_at_once, rotate
from user_service.keys.vault import Vault
from user_service.tests.conftest import SETTINGS, replace_resources
from user_service.tests.person import Person

REFRESH, TOKEN, KEY = timedelta(minutes=5), timedelta(minutes=10), timedelta(hours=1)
SECRET = SecretStr(SETTINGS["key_encryption_secret"])


class Clock:
    """The time that all processes of the test see."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        for module in ("user_service.keys.signer", "user_service.keys.use_cases"):
            monkeypatch.setattr(f"{module}.utcnow", lambda: self.now)
        monkeypatch.setattr("service_kit.security.tokens.time", SimpleNamespace(time=self.seconds))
        moment = type("Moment", (datetime,), {"now": classmethod(lambda *_: self.now)})
        monkeypatch.setattr("jose.jwt.datetime", moment)

    def seconds(self) -> float:
        return self.now.timestamp()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


class Elsewhere:
    """Another service: its key ring, refreshed every REFRESH from a time of its own, and its verifier."""

    def __init__(self, signer: Signer, first: datetime, fails_at: tuple[int, ...] = ()) -> None:
        self.ring = KeyRing(signer.public_keys, None, 300)  # type: ignore[arg-type]  # nothing is kept here
        self.verifier = TokenVerifier(self.ring, tokens.ISSUER)
        self._next, self._fetches, self._fails_at = first, 0, fails_at

    async def pass_time(self, now: datetime) -> None:
        while now >= self._next:
            self._fetches += 1
            if self._fetches not in self._fails_at:
                await self.ring.refresh()
            self._next += REFRESH


async def token(signer: Signer, now: datetime) -> str:
    claims = tokens.claims(UUID(int=1), [], iat=int(now.timestamp()), exp=int((now + TOKEN).timestamp()))
    return await signer.sign(claims)


def kid(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


async def test_no_valid_token_is_rejected_at_any_moment_of_a_rotation(service: Served, clock: Clock) -> None:
    """Three hours in steps of two minutes; two processes sign, three services verify, one of which misses fetches."""
    runtime, vault = service.runtime, service.runtime.resource(Vault)
    signers = [Signer(runtime.database, vault, Schedule(REFRESH, TOKEN, KEY)) for _ in range(2)]
    runtime.provide(signers[0])
    start = clock.now
    others = [
        Elsewhere(signers[0], start),
        Elsewhere(signers[0], start, fails_at=(13, 27)),
        Elsewhere(signers[1], start + timedelta(minutes=4)),
    ]
    await others[2].ring.refresh()
    published: dict[str, datetime] = {}
    signed: dict[str, datetime] = {}
    valid: list[tuple[datetime, str]] = []
    for minute in range(0, 180, 2):
        clock.now = start + timedelta(minutes=minute)
        if minute % 6 == 2:
            await maintain_keys(runtime)
            for key in (await signers[0].public_keys())["keys"]:
                published.setdefault(key["kid"], clock.now)
        for other in others:
            await other.pass_time(clock.now)
        made = [await token(signer, clock.now) for signer in signers]
        valid = [(end, each) for end, each in valid if end > clock.now] + [(clock.now + TOKEN, each) for each in made]
        for each in made:
            signed.setdefault(kid(each), clock.now)
        for _, each in valid:
            for other in others:
                assert other.verifier.verify(each), f"minute {minute}"
    assert len(signed) == 3
    assert all(signed[id] >= published[id] + 2 * REFRESH for id in list(signed)[1:])


async def test_the_first_key_signs_the_token_that_it_was_made_for(service: Served) -> None:
    """Also if a process made the key whose clock is a little ahead of ours."""
    runtime, vault = service.runtime, service.runtime.resource(Vault)
    for ahead in ("0", "2 seconds"):
        async with runtime.database.connection() as connection:
            await connection.execute("DELETE FROM signing_keys")
        signer = Signer(runtime.database, vault, Schedule(REFRESH, TOKEN, KEY))
        if ahead != "0":
            await signer.load()
            async with runtime.database.connection() as connection:
                await connection.execute("UPDATE signing_keys SET signs_from = signs_from + $1::text::interval", ahead)
            signer = Signer(runtime.database, vault, Schedule(REFRESH, TOKEN, KEY))
        assert kid(await token(signer, datetime.now(UTC)))


async def test_a_retired_key_is_rejected_and_deleted(service: Served, clock: Clock) -> None:
    runtime, vault = service.runtime, service.runtime.resource(Vault)
    signer = Signer(runtime.database, vault, Schedule(REFRESH, TOKEN, KEY))
    runtime.provide(signer)
    other = Elsewhere(signer, clock.now)
    await other.pass_time(clock.now)
    old = await token(signer, clock.now)
    thief = signer._keys[kid(old)]

    new = await rotate(runtime.database, vault, signer.schedule)
    assert new.signs_from == clock.now + 2 * REFRESH
    await signer.load()
    assert kid(await token(signer, clock.now)) == kid(old), "the new key is published, the old one signs"
    clock.now = new.signs_from
    assert kid(await token(signer, clock.now)) == new.id

    clock.now = new.signs_from + signer.schedule.overlap - timedelta(seconds=1)
    assert kid(old) in [key["kid"] for key in (await signer.public_keys())["keys"]]
    clock.now += timedelta(seconds=1)
    assert [key["kid"] for key in (await signer.public_keys())["keys"]] == [new.id]
    await maintain_keys(runtime)
    async with runtime.database.connection() as connection:
        assert [row[0] for row in await connection.fetch("SELECT id FROM signing_keys")] == [new.id]

    claims = tokens.claims(uuid4(), [], iat=int(clock.now.timestamp()), exp=int((clock.now + TOKEN).timestamp()))
    forged = jwt.encode(claims, thief, "RS256", headers={"typ": "at+jwt", "kid": kid(old)})
    assert other.verifier.verify(forged), "as long as the service has not fetched again"
    clock.now += REFRESH
    await other.pass_time(clock.now)
    with pytest.raises(Unauthenticated):
        other.verifier.verify(forged)


def test_a_key_lingers_until_its_last_token_has_ended_wherever_it_was_signed() -> None:
    schedule = Schedule(REFRESH, TOKEN, KEY)
    assert schedule.overlap >= REFRESH + TOKEN
    now = datetime(2026, 1, 1, tzinfo=UTC)
    keys = [
        SigningKey(id=str(n), encrypted_private_key=b"", signs_from=now + timedelta(hours=n - 3)) for n in range(1, 5)
    ]
    assert [key.id for key in schedule.published(keys, now)] == ["2", "3", "4"]
    assert [key.id for key in schedule.published(keys, now + schedule.overlap)] == ["3", "4"]
    assert [key.id for key in schedule.published(keys[:1], now + timedelta(days=900))] == ["1"]


async def test_concurrent_starts_or_rotations_create_one_key(service: Served) -> None:
    database, vault = service.runtime.database, service.runtime.resource(Vault)
    schedule = Schedule(REFRESH, TOKEN, KEY)
    await gather(*(Signer(database, vault, schedule).load() for _ in range(4)))
    made = await gather(*(rotate(database, vault, schedule) for _ in range(4)))
    assert len({key.id for key in made}) == 1
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM signing_keys") == 2


async def test_tokens_of_a_compromised_key_are_rejected_at_once(service: Served) -> None:
    ada = await (await Person(service).register()).sign_in()
    runtime = service.runtime
    await replace_at_once(runtime.database, runtime.resource(Vault))
    await runtime.keys.refresh()
    with pytest.raises(Unauthenticated):
        TokenVerifier(runtime.keys, tokens.ISSUER).verify(ada.tokens["access_token"])
    await ada.stay()
    assert (await ada.call("GET", "/users/me")).status_code == 200


async def test_the_command_rotates_keys(service: Served) -> None:
    await service.runtime.resource(Signer).load()
    settings = {
        "USER_DATABASE_URL": service.database_url, "USER_KEY_ENCRYPTION_SECRET": SECRET.get_secret_value(),
        "KAFKA_BOOTSTRAP_SERVERS": "nowhere:1", "PUBLIC_ISSUER": tokens.ISSUER, "USER_PORT": "1",
        "ENVIRONMENT": "development",
    }  # fmt: skip
    command = [sys.executable, "-m", "user_service", "rotate-keys"]
    ran = await create_subprocess_exec(*command, env={**environ, **settings}, stdout=subprocess.PIPE)
    emitted, _ = await ran.communicate()
    assert ran.returncode == 0
    newest = (await service.runtime.resource(Signer).public_keys())["keys"][-1]["kid"]
    assert emitted.decode().startswith(f"{newest} is published, and signs from ")


async def test_a_new_process_uses_the_same_keys(service: Served) -> None:
    ada = await (await Person(service).register()).sign_in()
    runtime, old = service.runtime, service.runtime.resource(Signer)
    signer = Signer(runtime.database, runtime.resource(Vault), old.schedule)
    ring = KeyRing(signer.public_keys, runtime.database, 300)
    await ring.refresh()
    assert TokenVerifier(ring, tokens.ISSUER).verify(ada.tokens["access_token"]).user_id == ada.id
    replace_resources(runtime, signer=signer)
    assert kid((await ada.stay()).tokens["access_token"]) == kid(await token(old, datetime.now(UTC)))


async def by_command(runtime: Runtime) -> None:
    assert await encrypt_again(runtime.database, runtime.resource(Vault)) == 1
    assert await encrypt_again(runtime.database, runtime.resource(Vault)) == 0


@pytest.mark.parametrize("renew", [maintain_keys, by_command])
async def test_data_encrypted_with_the_former_secret_is_encrypted_again(
    service: Served, renew: Callable[[Runtime], Awaitable[None]]
) -> None:
    runtime, new = service.runtime, SecretStr("a new secret")
    schedule = runtime.resource(Signer).schedule
    await runtime.resource(Signer).load()
    before = runtime.resource(Signer)._keys.keys()
    runtime.provide(Vault(new, SECRET))
    runtime.provide(Signer(runtime.database, runtime.resource(Vault), schedule))
    await runtime.resource(Signer).load()
    await renew(runtime)
    later = Signer(runtime.database, Vault(new), schedule)
    await later.load()
    assert later._keys.keys() == before


async def test_the_key_set_may_be_cached_for_one_interval(service: Served) -> None:
    answer = await service.anonymous.get("/.well-known/jwks.json")
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    tag = answer.headers["ETag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}'):
        same = await service.anonymous.get("/.well-known/jwks.json", headers={"If-None-Match": known})
        assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", tag)
    await rotate(service.runtime.database, service.runtime.resource(Vault), service.runtime.resource(Signer).schedule)
    other = await service.anonymous.get("/.well-known/jwks.json", headers={"If-None-Match": tag})
    assert (other.status_code, len(other.json()["keys"])) == (200, 2)
    assert not {"d", "p", "q", "dp", "dq", "qi"} & {name for key in other.json()["keys"] for name in key}


@pytest.mark.parametrize("path", ["openid-configuration", "oauth-authorization-server"])
async def test_the_discovery_document_is_accurate(service: Served, path: str) -> None:
    answer = await service.anonymous.get(f"/.well-known/{path}")
    assert "max-age" in answer.headers["Cache-Control"]
    document: dict[str, Any] = answer.json()
    assert document["issuer"] == tokens.ISSUER
    assert document["scopes_supported"] == [permission.value for permission in Permission]
    for field in ("jwks_uri", "token_endpoint"):
        local = document[field].removeprefix(tokens.ISSUER)
        assert (await service.anonymous.request("GET" if "jwks" in local else "POST", local)).status_code != 404
    for grant in document["grant_types_supported"]:
        rejected = await service.anonymous.post("/auth/token", data={"grant_type": grant})
        assert rejected.status_code in {400, 401}
    ada = await (await Person(service).register()).sign_in()
    assert set(jwt.get_unverified_claims(ada.tokens["access_token"])) == set(document["claims_supported"])
