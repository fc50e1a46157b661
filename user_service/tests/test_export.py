"""The export of personal data."""

import json
from typing import Any

from tests.harness.service import Caller
from user_service.tests.conftest import ADA, Accounts


async def export(caller: Caller) -> dict[str, Any]:
    answer = await caller.get("/me/export")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    found: dict[str, Any] = answer.json()
    return found


async def test_the_export_has_all_of_my_data_and_nothing_of_others(accounts: Accounts) -> None:
    other = await accounts.register(email="other@example.com", full_name="Other Person")
    await accounts.register()
    ada, _ = await accounts.session()
    address = {"name": "Ada", "line1": "12 St James's Square", "city": "London", "country": "GB"}
    await ada.post("/users/me/addresses", json=address)
    await accounts.sign_in(accounts.at("198.51.100.9"), password="not the one")
    await accounts.staff.patch(f"/users/{ada.user_id}", json={"full_name": "Ada King"})

    found = await export(ada)
    [account] = found["account"]
    assert account == account | {
        "email": ADA["email"], "full_name": "Ada King", "roles": ["User"], "id": str(ada.user_id),
    }  # fmt: skip
    assert [each["line1"] for each in found["addresses"]] == [address["line1"]]
    assert len(found["sessions"]) == 1
    assert [each["address"] for each in found["known_addresses"]] == ["127.0.0.1"]
    assert [each["purpose"] for each in found["mails_to_send"]] == ["verify-email"]
    assert [entry["action"] for entry in found["audit_log"]] == [
        "account.registered", "sign-in.succeeded", "sign-in.failed", "account.changed", "data.exported",
    ]  # fmt: skip
    assert found["audit_log"][2]["address"] == "198.51.100.9"
    assert "address" not in found["audit_log"][3], "where staff sit is not told"

    text = json.dumps(found)
    assert str(other.user_id) not in text
    assert "other@example.com" not in text


async def test_the_export_has_no_credentials(accounts: Accounts) -> None:
    await accounts.register()
    ada, refresh_token = await accounts.session()
    await accounts.codes()
    text = (await ada.get("/me/export")).text
    assert "$argon2id" not in text
    assert refresh_token not in text
    assert "hash" not in text


async def test_the_export_needs_a_token(accounts: Accounts) -> None:
    assert (await accounts.served.anonymous.get("/me/export")).status_code == 401
    assert (await accounts.served.caller("orders:read").get("/me/export")).status_code == 403
