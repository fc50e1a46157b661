"""The OAuth protocol: errors (RFC 6749, 5.2), challenges (RFC 6750), revocation (RFC 7009)."""

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.harness import tokens
from tests.harness.service import Served, serve
from user_service.settings import Settings
from user_service.tests.conftest import SETTINGS, open_accounts, replace_resources
from user_service.tests.person import PASSWORD, Person

DESCRIPTION = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+")


@pytest.fixture
async def ada(service: Served) -> Person:
    return await (await Person(service).register()).sign_in()


def oauth_error(answer: httpx.Response) -> tuple[int, str]:
    assert DESCRIPTION.fullmatch(answer.json()["error_description"])
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.status_code, answer.json()["error"]


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "x" * 101}, "invalid_request"),
        ({"grant_type": "password", "username": "a", "password": "b", "otp": "1" * 41}, "invalid_request"),
        ({"grant_type": ["password", "password"]}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "none"}, "invalid_grant"),
        ({"grant_type": "implicit"}, "unsupported_grant_type"),
    ],
)
async def test_each_rejection_has_its_oauth_error_code(service: Served, form: dict[str, Any], error: str) -> None:
    assert oauth_error(await service.anonymous.post("/auth/token", data=form)) == (400, error)


async def test_a_body_that_is_not_a_form_is_an_invalid_request(service: Served) -> None:
    as_json = await service.anonymous.post("/auth/token", json={"grant_type": "password"})
    assert oauth_error(as_json) == (400, "invalid_request")
    broken = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = await service.anonymous.post("/auth/token", content=b"--y", headers=broken)
    assert oauth_error(answer) == (400, "invalid_request")


async def test_an_unknown_client_gets_a_challenge(service: Served) -> None:
    answer = await service.anonymous.post("/auth/token", data={"grant_type": "client_credentials"}, auth=("x", "y"))
    assert oauth_error(answer) == (401, "invalid_client")
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


async def test_too_many_attempts_get_an_oauth_error_too() -> None:
    async with open_accounts(limits=True, address_attempts=2) as accounts:
        await accounts.register()
        answers = [await accounts.sign_in(password="wrong") for _ in range(3)]
        assert oauth_error(answers[-1]) == (429, "temporarily_unavailable")
        assert answers[-1].headers["Retry-After"]


# --- who may send passwords ---


@pytest.fixture
async def strict() -> AsyncIterator[Served]:
    async with serve("user_service", **SETTINGS, password_grant_clients="storefront") as service:
        yield service


async def test_only_named_clients_may_send_passwords(strict: Served) -> None:
    ada = await Person(strict).register()
    for form in ({}, {"client_id": "another"}):
        assert oauth_error(await ada.try_password(**form)) == (400, "unauthorized_client")
    signed_in = await ada.try_password(client_id="storefront")
    assert signed_in.status_code == 200
    renewed = await ada.refresh(signed_in.json()["refresh_token"])
    assert renewed.status_code == 200, "whoever is signed in stays so"


async def test_a_named_api_client_must_show_its_secret() -> None:
    async with serve("user_service", **SETTINGS) as service:
        ada = await Person(service).register()
        gateway = (
            await service.caller(role="Admin").post("/api-clients", json={"name": "g", "permissions": []})
        ).json()
        named = service.runtime.resource(Settings).model_copy(update={"password_grant_clients": gateway["id"]})
        service.runtime.provide(named)
        replace_resources(service.runtime)
        assert oauth_error(await ada.try_password(client_id=gateway["id"])) == (401, "invalid_client")
        shown = {"client_id": gateway["id"], "client_secret": gateway["secret"]}
        assert (await ada.try_password(**shown)).status_code == 200


async def test_by_default_passwords_are_accepted_in_development_only(service: Served) -> None:
    settings = service.runtime.resource(Settings)
    assert settings.may_send_passwords == {"*"}
    assert settings.model_copy(update={"environment": "production"}).may_send_passwords == frozenset()


# --- revocation ---


@pytest.mark.parametrize("kind", ["refresh_token", "access_token"])
async def test_revoking_a_token_ends_its_session(ada: Person, kind: str) -> None:
    assert (await ada.call("GET", "/users/me")).status_code == 200
    for _ in range(2):
        answer = await ada.service.anonymous.post("/auth/revoke", data={"token": ada.tokens[kind]})
        assert (answer.status_code, answer.content) == (200, b"")
    rejected = await ada.call("GET", "/users/me")
    assert (rejected.status_code, rejected.json()["type"]) == (401, "/problems/session-over")
    assert 'error="invalid_token"' in rejected.headers["WWW-Authenticate"]
    assert (await ada.refresh()).json()["error"] == "invalid_grant"
    assert (await (await ada.sign_in()).call("GET", "/users/me")).status_code == 200


async def test_revoking_an_invalid_token_reveals_nothing(service: Served) -> None:
    post = service.anonymous.post
    assert (
        await post("/auth/revoke", data={"token": "nonsense", "token_type_hint": "refresh_token"})
    ).status_code == 200
    assert oauth_error(await post("/auth/revoke", data={})) == (400, "invalid_request")
    robot = tokens.token("stock:read", client_id="robot")
    assert oauth_error(await post("/auth/revoke", data={"token": robot})) == (400, "unsupported_token_type")
    found = (await service.anonymous.get("/.well-known/openid-configuration")).json()
    assert found["revocation_endpoint"] == f"{tokens.ISSUER}/auth/revoke"


async def test_erasing_an_account_needs_a_recent_sign_in(ada: Person) -> None:
    async with ada.service.runtime.database.connection() as connection:
        await connection.execute("UPDATE sessions SET created_at = now() - interval '16 minutes'")
    old = await (await ada.stay()).call("DELETE", "/users/me")
    assert (old.status_code, old.json()["type"]) == (403, "/problems/sign-in-again")
    assert 'error="insufficient_user_authentication"' in old.headers["WWW-Authenticate"]
    assert 'max_age="900"' in old.headers["WWW-Authenticate"]
    assert (await (await ada.sign_in(password=PASSWORD)).call("DELETE", "/users/me")).status_code == 204
