"""The tax ids of customers: their form, and the state that a registry gives them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest
from starlette.responses import JSONResponse, PlainTextResponse, Response

from contracts.events.users import UserErased
from order_service.taxes import jobs
from order_service.tests.conftest import Shop, secrets
from service_kit.clock import utcnow
from tests.harness.service import serve
from tests.harness.vies import FakeVies, fake_vies

NUMBER, OTHER = "DE136695976", "FR40303265045"


@pytest.fixture
async def vies() -> AsyncIterator[FakeVies]:
    async with fake_vies() as server:
        yield server


@pytest.fixture
async def shop(vies: FakeVies) -> AsyncIterator[Shop]:
    """It asks the fake VIES."""
    settings = {"tax_id_registry": "vies", "vies_url": vies.url, "vies_requester": "GB980780684"}
    async with serve("order_service", vies_timeout_seconds=1, **settings, **secrets()) as served:
        yield Shop(served)


async def put(shop: Shop, number: str) -> httpx.Response:
    return await shop.customer.put("/me/tax-id", json={"number": number})


async def state(shop: Shop) -> tuple[str, str]:
    found = (await shop.customer.get("/me/tax-id")).json()
    return found["number"], found["state"]


async def check(shop: Shop) -> None:
    await jobs.check_tax_ids(shop.runtime)


async def next_check(shop: Shop) -> timedelta:
    """How long after the last check the next one is due."""
    row: timedelta = await shop.execute("SELECT check_at - checked_at FROM tax_ids")
    return row


async def make_due(shop: Shop) -> None:
    """As if the time until the next check had passed."""
    await shop.execute("UPDATE tax_ids SET checked_at = checked_at - (check_at - now()), check_at = now()")


@pytest.mark.parametrize(
    ("sent", "number", "country"),
    [
        ("DE 136 695 976", NUMBER, "DE"),
        ("fr-40.303.265.045", OTHER, "FR"),
        ("EL123456783", "EL123456783", "GR"),
        ("GB 980 7806 84", "GB980780684", "GB"),
        ("XI980780684", "XI980780684", "GB"),
    ],
)
async def test_a_number_is_stored_in_its_usual_form(shop: Shop, sent: str, number: str, country: str) -> None:
    answer = await put(shop, sent)
    assert answer.json() == {"country": country, "number": number, "state": "unchecked", "checked_at": None}
    assert (await shop.customer.get("/me/tax-id")).json() == answer.json()


@pytest.mark.parametrize(
    "wrong", ["DE136695977", "136695976", "GR123456783", "US123456789", "DE", "GB1", "ÄÖ12345", "--"]
)
async def test_a_malformed_number_is_rejected(shop: Shop, wrong: str) -> None:
    answer = await put(shop, wrong)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/tax-id-malformed")
    assert (await shop.customer.get("/me/tax-id")).status_code == 404


async def test_a_registry_that_knows_the_number_makes_it_valid(shop: Shop, vies: FakeVies) -> None:
    vies.valid = {NUMBER}
    await put(shop, NUMBER)
    await check(shop)
    assert await state(shop) == (NUMBER, "valid")
    expected = {"countryCode": "DE", "vatNumber": "136695976"}
    assert vies.asked == [expected | {"requesterMemberStateCode": "GB", "requesterNumber": "980780684"}]
    assert await shop.execute("SELECT reference FROM tax_ids") == "WAPIAAAA"
    assert await next_check(shop) == jobs.CHECKED_AGAIN
    await check(shop)
    await put(shop, NUMBER)
    await check(shop)
    assert (len(vies.asked), await state(shop)) == (1, (NUMBER, "valid")), "the same number keeps its state"


async def test_another_number_is_unchecked_again(shop: Shop, vies: FakeVies) -> None:
    vies.valid = {NUMBER}
    await put(shop, NUMBER)
    await check(shop)
    assert (await put(shop, OTHER)).json()["state"] == "unchecked"
    await check(shop)
    assert await state(shop) == (OTHER, "invalid")
    assert await shop.execute("SELECT check_at FROM tax_ids") is None
    vies.valid = {OTHER}
    assert (await put(shop, OTHER)).json()["state"] == "unchecked", "it may have been registered since"
    await check(shop)
    assert await state(shop) == (OTHER, "valid")


async def test_an_answer_about_a_former_number_changes_nothing(shop: Shop, vies: FakeVies) -> None:
    vies.valid = {NUMBER}
    vies.may_answer.clear()
    await put(shop, NUMBER)
    checking = asyncio.create_task(check(shop))
    while not vies.asked:
        await asyncio.sleep(0.01)
    await put(shop, OTHER)
    vies.may_answer.set()
    await checking
    assert await state(shop) == (OTHER, "unchecked")
    await check(shop)
    assert await state(shop) == (OTHER, "invalid")


@pytest.mark.parametrize(
    "broken",
    [
        PlainTextResponse("Bad gateway", 502), JSONResponse({"valid": True}, 500), JSONResponse([]),
        Response(status_code=204),
        JSONResponse({"valid": False, "userError": "MS_UNAVAILABLE"}), JSONResponse({"valid": None}),
        JSONResponse({"actionSucceed": False, "errorWrappers": [{"error": "MS_MAX_CONCURRENT_REQ"}]}),
    ],
)  # fmt: skip
async def test_no_answer_never_means_invalid(shop: Shop, vies: FakeVies, broken: Response) -> None:
    vies.broken = broken
    await put(shop, NUMBER)
    await check(shop)
    assert await state(shop) == (NUMBER, "unreachable")


async def test_an_unreachable_registry_is_asked_again_later_and_later(shop: Shop, vies: FakeVies) -> None:
    vies.failing[NUMBER] = "MS_UNAVAILABLE"
    await put(shop, NUMBER)
    waits = []
    for _ in range(12):
        await check(shop)
        waits.append(await next_check(shop))
        await check(shop)
        await make_due(shop)
    assert await state(shop) == (NUMBER, "unreachable")
    assert len(vies.asked) == 12
    assert all(later > 1.2 * sooner for sooner, later in pairwise(waits[:7]))
    assert max(waits) <= 1.2 * jobs.LONGEST_WAIT
    vies.failing.clear()
    vies.valid = {NUMBER}
    await check(shop)
    assert await state(shop) == (NUMBER, "valid")


async def test_a_registry_that_hangs_is_given_up_and_changes_nothing_else(shop: Shop, vies: FakeVies) -> None:
    vies.may_answer.clear()
    await put(shop, NUMBER)
    began = utcnow()
    await check(shop)
    assert utcnow() - began < timedelta(seconds=10)
    assert await state(shop) == (NUMBER, "unreachable")


async def test_a_valid_number_stays_valid_while_the_registry_is_unreachable(shop: Shop, vies: FakeVies) -> None:
    vies.valid = {NUMBER}
    await put(shop, NUMBER)
    await check(shop)
    await make_due(shop)
    vies.failing[NUMBER] = "MS_UNAVAILABLE"
    await check(shop)
    assert await state(shop) == (NUMBER, "valid")
    assert await next_check(shop) <= 1.2 * jobs.LONGEST_WAIT
    await make_due(shop)
    vies.failing.clear()
    vies.valid.clear()
    await check(shop)
    assert await state(shop) == (NUMBER, "invalid")


async def test_two_processes_ask_once(shop: Shop, vies: FakeVies) -> None:
    vies.may_answer.clear()
    await put(shop, NUMBER)
    checks = [asyncio.create_task(check(shop)) for _ in range(3)]
    while not vies.asked:
        await asyncio.sleep(0.01)
    vies.may_answer.set()
    await asyncio.gather(*checks)
    assert len(vies.asked) == 1


async def test_numbers_that_the_registry_does_not_know_stay_unchecked(shop: Shop, vies: FakeVies) -> None:
    await put(shop, "GB980780684")
    await check(shop)
    assert (await state(shop), vies.asked) == (("GB980780684", "unchecked"), [])


async def test_without_a_registry_every_number_stays_unchecked() -> None:
    async with serve("order_service", **secrets()) as served:
        shop = Shop(served)
        await put(shop, NUMBER)
        await check(shop)
        assert await state(shop) == (NUMBER, "unchecked")


async def test_concurrent_changes_leave_one_number(shop: Shop) -> None:
    answers = await asyncio.gather(*(put(shop, number) for number in (NUMBER, OTHER) * 4))
    assert {answer.status_code for answer in answers} == {200}
    assert await shop.execute("SELECT count(*) FROM tax_ids") == 1


async def test_a_tax_id_is_exported_deleted_and_erased(shop: Shop) -> None:
    await put(shop, NUMBER)
    exported: dict[str, Any] = (await shop.customer.get("/me/export")).json()
    assert [each["number"] for each in exported["tax_id"]] == [NUMBER]
    datetime.fromisoformat(exported["tax_id"][0]["check_at"])
    for _ in range(2):
        assert (await shop.customer.delete("/me/tax-id")).status_code == 204
    assert (await shop.customer.get("/me/tax-id")).status_code == 404
    await put(shop, NUMBER)
    await shop.deliver(UserErased(user_id=shop.customer.user_id, version=9))
    assert await shop.execute("SELECT count(*) FROM tax_ids") == 0


async def test_each_customer_sees_their_own(shop: Shop) -> None:
    await put(shop, NUMBER)
    assert (await shop.served.caller().get("/me/tax-id")).status_code == 404
    assert (await shop.served.anonymous.get("/me/tax-id")).status_code == 401
