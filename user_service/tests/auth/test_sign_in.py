"""Signing in: the token endpoint, and tokens that every service accepts."""

from uuid import UUID

import httpx
import pytest
from jose import jwt

from contracts.permissions import permissions_of
from service_kit.security.tokens import AUDIENCE
from tests.harness.service import Served
from tests.harness.tokens import ISSUER
from user_service.auth.schemas import MFA_OTP
from user_service.passwords.hashing import Passwords

ADA = {"email": "ada@example.com", "password": "correct horse battery", "full_name": "Ada Lovelace"}


async def sign_in(service: Served, **changes: str) -> httpx.Response:
    form = {"grant_type": "password", "username": ADA["email"], "password": ADA["password"], **changes}
    return await service.anonymous.post("/auth/token", data=form)


async def refresh(service: Served, token: str) -> httpx.Response:
    return await service.anonymous.post("/auth/token", data={"grant_type": "refresh_token", "refresh_token": token})


async def test_an_access_token_verifies_with_the_published_keys(service: Served) -> None:
    account = (await service.anonymous.post("/users", json=ADA)).json()
    answer = await sign_in(service, username="ADA@example.com")
    assert answer.headers["Cache-Control"] == "no-store"
    tokens = answer.json()
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 600)

    keys = (await service.anonymous.get("/.well-known/jwks.json")).json()
    header = jwt.get_unverified_header(tokens["access_token"])
    assert (header["typ"], header["alg"]) == ("at+jwt", "RS256")
    assert [key["kid"] for key in keys["keys"]] == [header["kid"]]
    assert not {"d", "p", "q"} & keys["keys"][0].keys()
    claims = jwt.decode(tokens["access_token"], keys, algorithms=["RS256"], audience=AUDIENCE, issuer=ISSUER)
    assert claims["sub"] == account["id"]
    assert set(claims["permissions"]) == permissions_of(["User"])
    assert claims["exp"] - claims["iat"] == 600
    assert (claims["client_id"], claims["roles"]) == ("online-mart", ["User"])
    assert {UUID(claims[name]).version for name in ("jti", "sid")} == {7}

    await service.runtime.keys.refresh()
    me = await service.anonymous.get("/users/me", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert me.json()["id"] == account["id"]


async def test_wrong_passwords_and_unknown_accounts_get_the_same_response(service: Served) -> None:
    await service.anonymous.post("/users", json=ADA)
    wrong = await sign_in(service, password="something else")
    unknown = await sign_in(service, username="nobody@example.com")
    assert (wrong.status_code, wrong.json()) == (unknown.status_code, unknown.json())
    assert (wrong.status_code, wrong.json()["type"]) == (400, "/problems/invalid-grant")


async def test_a_disabled_account_can_neither_sign_in_nor_refresh(service: Served) -> None:
    account = (await service.anonymous.post("/users", json=ADA)).json()
    tokens = (await sign_in(service)).json()
    await service.caller(role="Admin").patch(f"/users/{account['id']}", json={"active": False})
    assert (await sign_in(service)).status_code == 400
    assert (await refresh(service, tokens["refresh_token"])).status_code == 400


@pytest.mark.parametrize(
    ("form", "error", "words"),
    [
        ({"grant_type": "refresh_token"}, "invalid_request", "refresh_token"),
        ({"grant_type": "password", "username": "ada@example.com"}, "invalid_request", "username, password"),
        ({"grant_type": "password", "username": "", "password": ""}, "invalid_request", "username, password"),
        ({"grant_type": MFA_OTP}, "invalid_request", "mfa_token, otp"),
        ({"grant_type": "authorization_code"}, "unsupported_grant_type", "client_credentials"),
    ],
)
async def test_a_grant_without_its_fields_names_what_to_send(
    service: Served, form: dict[str, str], error: str, words: str
) -> None:
    """In the words of RFC 6749, 5.2."""
    answer = await service.anonymous.post("/auth/token", data=form)
    types = {"invalid_request": "invalid-request", "unsupported_grant_type": "unsupported-grant-type"}
    assert (answer.status_code, answer.json()["type"]) == (400, f"/problems/{types[error]}")
    assert answer.json()["error"] == error
    assert words in answer.json()["detail"]


async def test_a_password_changed_during_its_verification_begins_no_session(service: Served) -> None:
    """The same holds for an account that is disabled during the verification."""
    await service.anonymous.post("/users", json=ADA)
    passwords = service.runtime.resource(Passwords)
    verify = passwords.verify
    for change in ("password_hash = 'another'", "active = false"):

        async def verify_slowly(password: str, hashed: str | None, change: str = change) -> bool:
            right = await verify(password, hashed)
            async with service.runtime.database.connection() as connection:
                await connection.execute(f"UPDATE accounts SET {change}")
            return right

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(passwords, "verify", verify_slowly)
            assert (await sign_in(service)).status_code == 400
        async with service.runtime.database.connection() as connection:
            assert await connection.fetchval("SELECT count(*) FROM sessions") == 0
            hashed = await passwords.hash(ADA["password"])
            await connection.execute("UPDATE accounts SET password_hash = $1, active = true", hashed)
        assert (await sign_in(service)).status_code == 200
        async with service.runtime.database.connection() as connection:
            await connection.execute("DELETE FROM sessions")


async def test_private_keys_and_refresh_tokens_are_not_stored_in_plain_text(service: Served) -> None:
    await service.anonymous.post("/users", json=ADA)
    token = (await sign_in(service)).json()["refresh_token"]
    async with service.runtime.database.connection() as connection:
        key = await connection.fetchval("SELECT encrypted_private_key FROM signing_keys")
        hashes = [row[0] for row in await connection.fetch("SELECT token_hash FROM refresh_tokens")]
    assert b"PRIVATE KEY" not in key
    assert token.encode() not in hashes


async def test_addresses_are_accessible_to_their_owner_only(service: Served) -> None:
    ids = [
        (await service.anonymous.post("/users", json={**ADA, "email": f"{n}@example.com"})).json()["id"] for n in "ab"
    ]
    ann, bob = (service.caller(role="User", user_id=UUID(id)) for id in ids)
    address = {"label": "home", "name": "Ann", "line1": "1 Street", "city": "London", "country": "GB"}
    made = await ann.post("/users/me/addresses", json=address)
    assert made.status_code == 201
    where = made.headers["Location"]
    assert (await ann.get(where)).json()["line1"] == "1 Street"
    for call in (bob.get(where), bob.put(where, json=address), bob.delete(where)):
        assert (await call).status_code == 404
    changed = await ann.put(where, json={**address, "line2": "Flat 2"}, headers={"If-Match": made.headers["ETag"]})
    assert changed.json()["line2"] == "Flat 2"
    late = await ann.put(where, json=address, headers={"If-Match": made.headers["ETag"]})
    assert late.status_code == 412
    assert (await ann.delete(where)).status_code == 204
    assert (await ann.get("/users/me/addresses")).json()["items"] == []
