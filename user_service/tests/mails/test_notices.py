"""Owners are notified by mail of changes of their account, once their address is confirmed."""

from datetime import timedelta

from user_service.tests.conftest import ADA, Accounts
from user_service.tests.person import PASSWORD, Person
from user_service.tests.phone import enrol

NEW = "staple orbit lantern"


async def subjects(accounts: Accounts) -> list[str]:
    """The subjects of the notices, in any order, since they are sent concurrently."""
    return sorted(str(mail["Subject"]) for mail in await accounts.mails() if "Confirm" not in mail["Subject"])


async def verified(accounts: Accounts) -> Person:
    ada = await Person(accounts.served).register()
    [code] = await accounts.codes()
    assert (await accounts.served.anonymous.post("/auth/verify-email", json={"token": code})).status_code == 204
    return await ada.sign_in()


async def test_owners_are_notified_of_a_new_password_and_second_factor(accounts: Accounts) -> None:
    ada = await verified(accounts)
    phone, codes = await enrol(ada)
    assert await subjects(accounts) == ["Your second factor was turned on"]
    proof = {"password": PASSWORD, "code": phone.code()}
    assert (await ada.call("POST", "/auth/mfa/recovery-codes", json=proof)).status_code == 201
    assert "You have new recovery codes" in await subjects(accounts)
    proof["code"] = phone.code()
    assert (await ada.call("POST", "/auth/mfa/totp/disable", json=proof)).status_code == 204
    assert "Your second factor was turned off" in await subjects(accounts)
    body = {"present_password": PASSWORD, "new_password": NEW}
    assert (await ada.call("PUT", "/users/me/password", json=body)).status_code == 204
    assert "Your password was changed" in await subjects(accounts)
    assert len(await subjects(accounts)) == 4
    for mail in accounts.office.mails_to(ADA["email"]):
        assert not any(secret in mail.get_content() for secret in (PASSWORD, NEW, codes[0], "Ada"))


async def test_owners_are_notified_of_a_sign_in_from_a_new_device_and_network(accounts: Accounts) -> None:
    await verified(accounts)
    assert await subjects(accounts) == [], "the first sign-in is the owner's"
    device = accounts.at("198.51.100.7")
    assert (await accounts.sign_in(accounts.at("127.0.0.1"))).status_code == 200
    assert await subjects(accounts) == [], "a place that is known"
    assert (await accounts.sign_in(device)).status_code == 200
    assert await subjects(accounts) == ["Somebody signed in from a new device"]
    moved = accounts.at("203.0.113.9")
    moved.cookies.set("device", device.cookies["device"], domain="service.test", path="/auth/token")
    assert (await accounts.sign_in(moved)).status_code == 200
    assert len(await subjects(accounts)) == 1, "a device that is known"


async def test_a_network_is_new_once_all_known_ones_have_expired(accounts: Accounts) -> None:
    await verified(accounts)
    await accounts.sql("DELETE FROM known_addresses")
    await accounts.sql("UPDATE accounts SET created_at = created_at - $1::interval", timedelta(days=91))
    assert (await accounts.sign_in(accounts.at("127.0.0.1"))).status_code == 200
    assert await subjects(accounts) == ["Somebody signed in from a new device"]


async def test_owners_are_notified_of_a_new_api_client(accounts: Accounts) -> None:
    ada = await verified(accounts)
    body = {"name": "robot", "permissions": [], "owner_id": str(ada.id)}
    assert (await accounts.staff.post("/api-clients", json=body)).status_code == 201
    assert await subjects(accounts) == ["You own a new API client"]


async def test_an_unrelated_address_gets_no_notice(accounts: Accounts) -> None:
    ada = await (await Person(accounts.served).register()).sign_in()
    await enrol(ada)
    assert await subjects(accounts) == []
