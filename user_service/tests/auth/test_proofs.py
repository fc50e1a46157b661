"""The authentication methods in tokens, and attacks with one of two factors."""

from asyncio import create_task
from typing import Any

import asyncpg
import pytest
from jose import jwt

from tests.harness.service import Served
from user_service.auth.schemas import MFA_OTP
from user_service.settings import Settings
from user_service.tests.conftest import replace_resources
from user_service.tests.mfa.test_mfa import problem
from user_service.tests.person import PASSWORD, Person
from user_service.tests.phone import Phone, enrol

WAITERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
async def ada(service: Served) -> Person:
    return await (await Person(service).register()).sign_in()


def emitted(person: Person) -> dict[str, Any]:
    """The claims of the present access token."""
    claims: dict[str, Any] = jwt.get_unverified_claims(person.tokens["access_token"])
    return claims


async def sql(service: Served, statement: str) -> Any:
    async with service.runtime.database.connection() as connection:
        return await connection.fetchval(statement)


async def test_a_token_names_the_proven_factors_and_the_time(ada: Person) -> None:
    assert emitted(ada)["amr"] == ["pwd"]
    assert 0 <= emitted(ada)["iat"] - emitted(ada)["auth_time"] <= 5
    await sql(ada.service, "UPDATE sessions SET created_at = created_at - interval '1 hour'")
    began = emitted(ada)["auth_time"]
    await ada.stay()
    assert (emitted(ada)["amr"], emitted(ada)["auth_time"]) == (["pwd"], began - 3600)

    phone, codes = await enrol(ada)
    await ada.stay()
    assert emitted(ada)["amr"] == ["pwd", "otp", "mfa"], "this session has shown a code too"
    for otp, amr in ((phone.code(), ["pwd", "otp", "mfa"]), (codes[0], ["pwd", "mfa"])):
        await ada.sign_in(otp=otp)
        assert emitted(ada)["amr"] == amr
        await ada.stay()
        assert emitted(ada)["amr"] == amr
    mfa_token = (await ada.try_password()).json()["mfa_token"]
    done = await ada.ask(grant_type=MFA_OTP, mfa_token=mfa_token, otp=phone.code())
    assert jwt.get_unverified_claims(done.json()["access_token"])["amr"] == ["pwd", "otp", "mfa"]


@pytest.mark.parametrize("first", ["sign-in", "confirm"])
async def test_no_session_by_password_alone_survives_the_enabling_of_a_second_factor(ada: Person, first: str) -> None:
    """Both requests wait for the same lock, in this order; the thief's sign-in is rejected, or its session ends."""
    thief = Person(ada.service, user_agent="thief/1")
    begun = await ada.call("POST", "/auth/mfa/totp", json={"password": PASSWORD})
    phone = Phone(begun.json()["secret"])
    code = {"code": [phone.code() for _ in range(3)][-1]}  # the one that is valid for longest
    blocker = await asyncpg.connect(ada.service.database_url)
    transaction = blocker.transaction()
    await transaction.start()
    await blocker.execute("SELECT FROM accounts FOR UPDATE")
    makers = {
        "sign-in": lambda: create_task(thief.try_password()),
        "confirm": lambda: create_task(ada.call("POST", "/auth/mfa/totp/confirm", json=code)),
    }
    tasks = {}
    for number, name in enumerate(sorted(makers, key=lambda name: name != first), start=1):
        tasks[name] = makers[name]()
        while await blocker.fetchval(WAITERS) < number and not tasks[name].done():
            pass
    await transaction.rollback()
    await blocker.close()
    assert (await tasks["confirm"]).status_code == 200
    signed_in = await tasks["sign-in"]
    if signed_in.status_code == 200:
        assert (await thief.refresh(signed_in.json()["refresh_token"])).status_code == 400
    else:
        assert problem(signed_in) == (400, "mfa-required")
    assert (await ada.refresh()).status_code == 200


async def test_a_used_code_is_rejected_everywhere(ada: Person) -> None:
    """A code that somebody saw on the screen, and tries in the same half minute."""
    begun = await ada.call("POST", "/auth/mfa/totp", json={"password": PASSWORD})
    code = Phone(begun.json()["secret"]).code()
    confirmed = await ada.call("POST", "/auth/mfa/totp/confirm", json={"code": code})
    recovery = confirmed.json()["recovery_codes"][0]
    await ada.sign_in(otp=recovery)
    for shown in (code, recovery):
        assert problem(await ada.try_password(otp=shown)) == (400, "wrong-code")
        for path in ("/auth/mfa/totp/disable", "/auth/mfa/recovery-codes"):
            await sql(ada.service, "UPDATE second_factors SET failures = 0, wait_until = NULL")
            assert problem(await ada.call("POST", path, json={"password": PASSWORD, "code": shown})) == (
                400,
                "wrong-proof",
            )


async def test_staff_without_the_required_second_factor_lose_their_permissions(service: Served) -> None:
    """Both at sign-in and in sessions that began before it was required."""
    bob = await (await Person(service, email="bob@example.com").register()).give("User", "SubAdmin")
    eve = await (await Person(service, email="eve@example.com").register()).give("User", "SubAdmin")
    await bob.sign_in()
    await eve.sign_in()
    phone, _ = await enrol(eve)
    assert "users:read:any" in bob.permissions

    asked = service.runtime.resource(Settings).model_copy(update={"mfa_required_for_staff": True})
    service.runtime.provide(asked)  # as after a restart
    replace_resources(service.runtime)
    assert (await bob.stay()).permissions == {"mfa:write"}
    assert (await bob.sign_in()).permissions == {"mfa:write"}
    assert problem(await eve.try_password()) == (400, "mfa-required")
    assert "users:read:any" in (await eve.stay()).permissions
    assert "users:read:any" in (await eve.sign_in(otp=phone.code())).permissions
    await sql(service, f"UPDATE sessions SET methods = '{{pwd}}' WHERE account_id = '{eve.id}'")
    assert (await eve.stay()).permissions == {"mfa:write"}, "however it came to be: this session showed no code"
