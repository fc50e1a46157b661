"""The language that an account has chosen."""

import pytest

from tests.harness.service import Served
from user_service.tests.accounts.test_accounts import ADA, register


async def test_an_account_chooses_a_language_and_services_hear_of_it(service: Served) -> None:
    ada = await register(service, locale="de")
    assert (await ada.get("/users/me")).json()["locale"] == "de"
    changed = await ada.patch("/users/me", json={"locale": "de-AT"})
    assert (changed.json()["locale"], changed.json()["full_name"]) == ("de-AT", ADA["full_name"])
    assert (await ada.patch("/users/me", json={"full_name": "Ada"})).json()["locale"] == "de-AT"
    removed = await ada.patch("/users/me", json={"locale": None, "full_name": None})
    assert (removed.json()["locale"], removed.json()["full_name"]) == (None, "Ada")
    assert [event.locale for event in await service.events()] == ["de", "de-AT", "de-AT", None]


@pytest.mark.parametrize("locale", ["german", "DE", "de_AT", "", 5])
async def test_what_is_no_language_is_rejected(service: Served, locale: object) -> None:
    assert (await service.anonymous.post("/users", json={**ADA, "locale": locale})).status_code == 422
