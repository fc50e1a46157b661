"""Owners are told by mail of what was done to their account, once their address is confirmed."""

from datetime import timedelta

from user_service.tests.conftest import ADA, People
from user_service.tests.people import PASSWORD, Person
from user_service.tests.phone import enrol

NEW = "staple orbit lantern"


async def subjects(people: People) -> list[str]:
    """Of the notices, in no order: they are sent at once."""
    return sorted(str(mail["Subject"]) for mail in await people.mails() if "Confirm" not in mail["Subject"])


async def verified(people: People) -> Person:
    ada = await Person(people.served).register()
    [code] = await people.codes()
    assert (await people.served.anonymous.post("/auth/verify-email", json={"token": code})).status_code == 204
    return await ada.sign_in()


async def test_password_and_second_factor(people: People) -> None:
    ada = await verified(people)
    phone, codes = await enrol(ada)
    assert await subjects(people) == ["Your second factor was turned on"]
    proof = {"password": PASSWORD, "code": phone.code()}
    assert (await ada.call("POST", "/auth/mfa/recovery-codes", json=proof)).status_code == 201
    assert "You have new recovery codes" in await subjects(people)
    proof["code"] = phone.code()
    assert (await ada.call("POST", "/auth/mfa/totp/disable", json=proof)).status_code == 204
    assert "Your second factor was turned off" in await subjects(people)
    body = {"present_password": PASSWORD, "new_password": NEW}
    assert (await ada.call("PUT", "/users/me/password", json=body)).status_code == 204
    assert "Your password was changed" in await subjects(people)
    assert len(await subjects(people)) == 4
    for mail in people.office.mails_to(ADA["email"]):
        assert not any(secret in mail.get_content() for secret in (PASSWORD, NEW, codes[0], "Ada"))


async def test_a_device_and_a_place_that_are_new_together(people: People) -> None:
    await verified(people)
    assert await subjects(people) == [], "the first sign-in is the owner's"
    device = people.at("198.51.100.7")
    assert (await people.sign_in(people.at("127.0.0.1"))).status_code == 200
    assert await subjects(people) == [], "a place that is known"
    assert (await people.sign_in(device)).status_code == 200
    assert await subjects(people) == ["Somebody signed in from a new device"]
    moved = people.at("203.0.113.9")
    moved.cookies.set("device", device.cookies["device"], domain="service.test", path="/auth/token")
    assert (await people.sign_in(moved)).status_code == 200
    assert len(await subjects(people)) == 1, "a device that is known"


async def test_a_place_is_new_when_all_are_forgotten(people: People) -> None:
    await verified(people)
    await people.sql("DELETE FROM known_addresses")
    await people.sql("UPDATE accounts SET created_at = created_at - $1::interval", timedelta(days=91))
    assert (await people.sign_in(people.at("127.0.0.1"))).status_code == 200
    assert await subjects(people) == ["Somebody signed in from a new device"]


async def test_the_owner_of_a_new_api_client(people: People) -> None:
    ada = await verified(people)
    body = {"name": "robot", "permissions": [], "owner_id": str(ada.id)}
    assert (await people.staff.post("/api-clients", json=body)).status_code == 201
    assert await subjects(people) == ["You own a new API client"]


async def test_a_stranger_whose_address_was_typed_is_told_nothing(people: People) -> None:
    ada = await (await Person(people.served).register()).sign_in()
    await enrol(ada)
    assert await subjects(people) == []
