"""The second factor: its set-up, sign-ins with it, recovery codes, and limits of guesses."""

import time
from asyncio import gather
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pyotp
import pytest
from cryptography.fernet import InvalidToken
from pydantic import SecretStr

from service_kit.clock import utcnow
from tests.harness.service import Served, serve
from user_service.auth.schemas import MFA_OTP
from user_service.keys.vault import Vault
from user_service.mfa.models import FREE_ATTEMPTS, SecondFactor, TooManyTries
from user_service.mfa.use_cases import renew_encryption
from user_service.settings import Settings
from user_service.tests.conftest import SETTINGS, replace_resources
from user_service.tests.person import PASSWORD, Person
from user_service.tests.phone import Phone, enrol


@pytest.fixture
async def ada(service: Served) -> Person:
    return await (await Person(service).register()).sign_in()


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")


async def test_a_second_factor_is_set_up_and_confirmed(ada: Person) -> None:
    assert (await ada.call("GET", "/auth/mfa")).json() == {
        "enabled": False, "enabled_at": None, "recovery_codes_left": 0,
    }  # fmt: skip
    wrong = await ada.call("POST", "/auth/mfa/totp", json={"password": "not mine"})
    assert problem(wrong) == (400, "wrong-proof")
    begun = await ada.call("POST", "/auth/mfa/totp", json={"password": PASSWORD})
    assert begun.headers["Cache-Control"] == "no-store"
    assert begun.json()["uri"].startswith("otpauth://totp/Online%20Mart:ada%40example.com?secret=")
    assert (await ada.try_password()).status_code == 200, "nothing is asked for until it is confirmed"

    phone = Phone(begun.json()["secret"])
    assert problem(await ada.call("POST", "/auth/mfa/totp/confirm", json={"code": "000000"})) == (400, "wrong-proof")
    confirmed = await ada.call("POST", "/auth/mfa/totp/confirm", json={"code": phone.code()})
    assert len(set(confirmed.json()["recovery_codes"])) == 10
    state = (await ada.call("GET", "/auth/mfa")).json()
    assert (state["enabled"], state["recovery_codes_left"]) == (True, 10)
    again = await ada.call("POST", "/auth/mfa/totp", json={"password": PASSWORD})
    assert problem(again) == (409, "mfa-on-already")


async def test_enabling_a_second_factor_ends_other_sessions(ada: Person) -> None:
    other = await Person(ada.service, user_agent="other/1").sign_in()
    await enrol(ada)
    assert (await other.refresh()).status_code == 400
    assert (await ada.refresh()).status_code == 200


async def test_signing_in_takes_two_steps(ada: Person) -> None:
    phone, _ = await enrol(ada)
    first = await ada.try_password()
    assert problem(first) == (400, "mfa-required")
    assert (first.json()["error"], first.json()["expires_in"]) == ("mfa_required", 300)
    assert "access_token" not in first.text
    mfa_token = first.json()["mfa_token"]

    wrong = await ada.ask(grant_type=MFA_OTP, mfa_token=mfa_token, otp="000000")
    assert (problem(wrong), wrong.json()["error"]) == ((400, "wrong-code"), "invalid_grant")
    done = await ada.ask(grant_type=MFA_OTP, mfa_token=mfa_token, otp=phone.code())
    assert done.status_code == 200
    assert (await ada.refresh(done.json()["refresh_token"])).status_code == 200


async def test_signing_in_takes_one_step_with_the_code_beside_the_password(ada: Person) -> None:
    phone, _ = await enrol(ada)
    assert problem(await ada.try_password(otp="000000")) == (400, "wrong-code")
    assert problem(await ada.try_password(otp=phone.code(), password="wrong")) == (400, "invalid-grant")
    assert (await ada.try_password(otp=phone.code())).status_code == 200


async def test_a_wrong_password_reveals_nothing_of_a_second_factor(ada: Person) -> None:
    without = await ada.try_password(password="wrong")
    await enrol(ada)
    assert (await ada.try_password(password="wrong")).text == without.text


async def test_a_code_works_once_even_for_ten_concurrent_requests(ada: Person) -> None:
    phone, _ = await enrol(ada)
    code = phone.code()
    answers = await gather(*(ada.try_password(otp=code) for _ in range(10)))
    assert [answer.status_code for answer in answers].count(200) == 1
    assert (await ada.try_password(otp=code)).status_code != 200


async def test_a_recovery_code_works_once_however_it_is_typed(ada: Person) -> None:
    _, codes = await enrol(ada)
    typed = codes[0].replace("-", " ").upper()
    answers = await gather(*(ada.try_password(otp=typed) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400]
    assert (await ada.try_password(otp=codes[1])).status_code == 200
    assert (await ada.call("GET", "/auth/mfa")).json()["recovery_codes_left"] == 8


async def test_a_recovery_code_of_another_account_is_rejected(ada: Person) -> None:
    await enrol(ada)
    eve = await (await Person(ada.service, email="eve@example.com").register()).sign_in()
    _, codes = await enrol(eve)
    assert problem(await ada.try_password(otp=codes[0])) == (400, "wrong-code")


async def test_new_recovery_codes_invalidate_the_old_ones(ada: Person) -> None:
    phone, old = await enrol(ada)
    made = await ada.call("POST", "/auth/mfa/recovery-codes", json={"password": PASSWORD, "code": phone.code()})
    assert made.status_code == 201
    assert problem(await ada.try_password(otp=old[0])) == (400, "wrong-code")
    assert (await ada.try_password(otp=made.json()["recovery_codes"][0])).status_code == 200


@pytest.mark.parametrize("by", ["code", "recovery code"])
async def test_disabling_and_new_recovery_codes_need_password_and_code(ada: Person, by: str) -> None:
    """A stolen password, or a stolen session with one code, must not be enough to remove the second factor."""
    phone, codes = await enrol(ada)
    right = {"password": PASSWORD, "code": phone.code() if by == "code" else codes[0]}
    for path in ("/auth/mfa/totp/disable", "/auth/mfa/recovery-codes"):
        for wrong in ({**right, "password": "wrong"}, {**right, "code": "000000"}):
            assert problem(await ada.call("POST", path, json=wrong)) == (400, "wrong-proof")
        for half in ({}, {"password": PASSWORD}, {"code": right["code"]}):
            assert (await ada.call("POST", path, json=half)).status_code == 422
    assert (await ada.try_password()).status_code == 400
    async with ada.service.runtime.database.connection() as connection:
        await connection.execute("UPDATE second_factors SET failures = 0, wait_until = NULL")
    assert (await ada.call("POST", "/auth/mfa/totp/disable", json=right)).status_code == 204
    assert (await ada.try_password()).status_code == 200
    assert (await ada.call("GET", "/auth/mfa")).json()["recovery_codes_left"] == 0


async def test_after_wrong_codes_even_the_right_one_must_wait(ada: Person) -> None:
    phone, _ = await enrol(ada)
    mfa_token = (await ada.try_password()).json()["mfa_token"]
    for _ in range(FREE_ATTEMPTS):
        assert problem(await ada.ask(grant_type=MFA_OTP, mfa_token=mfa_token, otp="000000")) == (400, "wrong-code")
    rejected = await ada.ask(grant_type=MFA_OTP, mfa_token=mfa_token, otp=phone.code())
    assert problem(rejected) == (429, "too-many-tries")
    assert 0 < int(rejected.headers["Retry-After"]) <= 61
    assert (
        problem(await ada.call("POST", "/auth/mfa/totp/disable", json={"password": PASSWORD, "code": phone.code()}))[0]
        == 429
    )
    async with ada.service.runtime.database.connection() as connection:
        await connection.execute("UPDATE second_factors SET wait_until = now()")
    assert (await ada.ask(grant_type=MFA_OTP, mfa_token=mfa_token, otp=phone.code())).status_code == 200


async def test_concurrent_guesses_are_counted_each(ada: Person) -> None:
    await enrol(ada)
    answers = await gather(*(ada.try_password(otp="000000") for _ in range(20)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [400] * FREE_ATTEMPTS + [429] * (20 - FREE_ATTEMPTS)
    passwords = [
        ada.call("POST", "/auth/mfa/totp/disable", json={"password": "guess", "code": "000000"}) for _ in range(5)
    ]
    assert {answer.status_code for answer in await gather(*passwords)} == {429}


async def test_a_right_password_does_not_reset_the_count_of_wrong_codes(ada: Person) -> None:
    """Otherwise a thief of the password could guess codes without limit."""
    phone, _ = await enrol(ada)
    guess = {"password": PASSWORD, "code": "000000"}
    answers = [await ada.call("POST", "/auth/mfa/totp/disable", json=guess) for _ in range(FREE_ATTEMPTS)]
    assert {problem(answer) for answer in answers} == {(400, "wrong-proof")}
    right = await ada.call("POST", "/auth/mfa/totp/disable", json={**guess, "code": phone.code()})
    assert problem(right) == (429, "too-many-tries")


async def test_asking_for_another_secret_does_not_reset_the_count_of_wrong_codes(ada: Person) -> None:
    phone, _ = await enrol(ada)
    guess = {"password": PASSWORD, "code": "000000"}
    for _ in range(FREE_ATTEMPTS):
        assert problem(await ada.call("POST", "/auth/mfa/totp/disable", json=guess)) == (400, "wrong-proof")
        assert (await ada.call("POST", "/auth/mfa/totp", json={"password": PASSWORD})).status_code == 409
    right = await ada.call("POST", "/auth/mfa/totp/disable", json={**guess, "code": phone.code()})
    assert problem(right) == (429, "too-many-tries")


def test_each_wrong_guess_doubles_the_wait_to_an_hour() -> None:
    factor, now = SecondFactor(account_id=UUID(int=1)), utcnow()
    waits = []
    for _ in range(14):
        factor.count(now, right=False)
        waits.append(int((factor.wait_until - now).total_seconds() / 60) if factor.wait_until else 0)
    assert waits == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    with pytest.raises(TooManyTries):
        factor.check_may_attempt(now + timedelta(minutes=59))
    factor.check_may_attempt(now + timedelta(minutes=60))
    factor.count(now, right=True)
    factor.check_may_attempt(now)


@pytest.mark.parametrize(("steps", "accepted"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_codes_of_adjacent_steps_are_accepted(steps: int, accepted: bool) -> None:
    secret, now = pyotp.random_base32(), datetime(2026, 1, 1, 12, 0, 10, tzinfo=UTC)
    shown = pyotp.TOTP(secret).at(now + timedelta(seconds=30 * steps))
    assert SecondFactor(account_id=UUID(int=1)).accepts(secret, shown, now) is accepted


def test_an_earlier_code_is_rejected_after_a_later_one() -> None:
    factor, secret, now = (
        SecondFactor(account_id=UUID(int=1)),
        pyotp.random_base32(),
        datetime(2026, 1, 1, 12, 0, 10, tzinfo=UTC),
    )
    totp = pyotp.TOTP(secret)
    assert factor.accepts(secret, totp.at(now), now)
    assert not factor.accepts(secret, totp.at(now), now)
    assert not factor.accepts(secret, totp.at(now - timedelta(seconds=30)), now)
    assert factor.accepts(secret, totp.at(now + timedelta(seconds=30)), now)
    for odd in ("", "٣٤٥٦٧٨", "12345", "\x00"):
        assert not factor.accepts(secret, odd, now)


async def test_an_mfa_token_is_valid_for_nothing_else_and_expires(ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    phone, _ = await enrol(ada)
    mfa_token = (await ada.try_password()).json()["mfa_token"]
    headers = {"Authorization": f"Bearer {mfa_token}"}
    assert (await ada.service.anonymous.get("/users/me", headers=headers)).status_code == 401
    for forged in (mfa_token[:-4] + "AAAA", "nonsense", ada.tokens["access_token"][:400]):
        answer = await ada.ask(grant_type=MFA_OTP, mfa_token=forged, otp=phone.code())
        assert problem(answer) == (400, "invalid-grant")
    async with ada.service.runtime.database.connection() as connection:
        await connection.execute("UPDATE accounts SET password_hash = 'another'")
    late = await ada.ask(grant_type=MFA_OTP, mfa_token=mfa_token, otp=Phone(pyotp.random_base32()).code())
    assert problem(late) == (400, "invalid-grant")


def test_a_partial_sign_in_expires_after_five_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    vault, now = Vault(SecretStr("secret")), time.time()
    sealed = vault.encrypt(b"mfa")
    monkeypatch.setattr(time, "time", lambda: now + 299)
    assert vault.decrypt(sealed, within=timedelta(minutes=5)) == b"mfa"
    monkeypatch.setattr(time, "time", lambda: now + 302)
    with pytest.raises(InvalidToken):
        vault.decrypt(sealed, within=timedelta(minutes=5))


async def test_the_database_holds_neither_secret_nor_codes(ada: Person) -> None:
    begun = (await ada.call("POST", "/auth/mfa/totp", json={"password": PASSWORD})).json()
    code = Phone(begun["secret"]).code()
    codes = (await ada.call("POST", "/auth/mfa/totp/confirm", json={"code": code})).json()["recovery_codes"]
    async with ada.service.runtime.database.connection() as connection:
        secret = await connection.fetchval("SELECT encrypted_secret FROM second_factors")
        hashes = await connection.fetch("SELECT code_hash FROM recovery_codes")
    assert begun["secret"].encode() not in secret
    assert len(hashes) == 10
    assert not any(
        code.encode() in row[0] or code.replace("-", "").encode() in row[0] for row in hashes for code in codes
    )


async def test_data_encrypted_with_the_former_secret_is_encrypted_again(ada: Person) -> None:
    phone, _ = await enrol(ada)
    runtime, former, present = ada.service.runtime, SecretStr(SETTINGS["key_encryption_secret"]), SecretStr("new")
    replace_resources(runtime, vault=Vault(present, former))
    assert (await ada.try_password(otp=phone.code())).status_code == 200
    await renew_encryption(runtime)
    replace_resources(runtime, vault=Vault(present))
    assert (await ada.try_password(otp=phone.code())).status_code == 200


async def test_staff_who_need_a_second_factor_can_only_set_it_up() -> None:
    async with serve("user_service", **SETTINGS, mfa_required_for_staff=True) as service:
        bob = await (await Person(service, email="bob@example.com").register()).sign_in()
        assert "orders:write" in bob.permissions, "a customer is asked for nothing"
        assert (await bob.give("User", "SubAdmin")).id
        assert (await bob.stay()).permissions == {"mfa:write"}
        assert (await bob.sign_in()).permissions == {"mfa:write"}
        assert (await bob.call("GET", "/users")).status_code == 403
        assert (await bob.call("GET", "/users/me")).status_code == 403
        phone, _ = await enrol(bob)
        assert "users:read:any" in (await bob.stay()).permissions
        assert "users:read:any" in (await bob.sign_in(otp=phone.code())).permissions
        await bob.call("POST", "/auth/mfa/totp/disable", json={"password": PASSWORD, "code": phone.code()})
        assert (await bob.stay()).permissions == {"mfa:write"}


async def test_by_default_staff_need_a_second_factor_in_production_only(service: Served) -> None:
    settings = service.runtime.resource(Settings)
    assert settings.staff_need_mfa is False
    assert settings.model_copy(update={"environment": "production"}).staff_need_mfa is True
