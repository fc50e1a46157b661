"""The registry of attributes over HTTP."""

import asyncio

import pytest

from product_service.attributes import models
from product_service.tests.conftest import Json
from tests.harness.service import Caller, Served

COLOUR = {"name": "colour", "kind": "text", "position": 2, "labels": {"en": "Colour", "de": "Farbe"}}


async def test_staff_keep_the_registry_and_everybody_reads_it(service: Served, staff: Caller) -> None:
    made = await staff.post("/attributes", json=COLOUR)
    assert made.status_code == 201, made.text
    path = made.headers["location"]
    await staff.post("/attributes", json={"name": "height_mm", "kind": "number", "unit": "mm", "position": 1})
    listed = (await service.anonymous.get("/attributes", params={"limit": 1})).json()
    assert [each["name"] for each in listed["items"]] == ["height_mm"]
    rest = (await service.anonymous.get("/attributes", params={"cursor": listed["next"]})).json()
    assert [each["name"] for each in rest["items"]] == ["colour"]

    assert (await staff.patch(path, json={"unit": "RAL"}, headers={"If-Match": '"7"'})).status_code == 412
    changed = await staff.patch(path, json={"unit": "RAL", "facet": False}, headers={"If-Match": '"1"'})
    assert (changed.json()["unit"], changed.json()["facet"], changed.headers["etag"]) == ("RAL", False, '"2"')
    assert (await service.anonymous.get(path)).json() == changed.json()
    assert (await staff.delete(path)).status_code == 204
    assert (await service.anonymous.get(path)).status_code == 404
    log = (await service.caller(role="Admin").get("/audit-log", params={"resource": "attribute"})).json()["items"]
    assert len(log) == 4


async def test_of_concurrent_requests_one_creates_the_attribute(staff: Caller) -> None:
    answers = await asyncio.gather(*(staff.post("/attributes", json=COLOUR) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert {answer.json()["type"] for answer in answers if not answer.is_success} == {"/problems/attribute-exists"}


async def test_the_registry_has_a_limit(staff: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("product_service.attributes.use_cases.MAX_ATTRIBUTES", 3)
    assert models.MAX_ATTRIBUTES == 200
    asked = (staff.post("/attributes", json={"name": f"a{n}", "kind": "text"}) for n in range(8))
    answers = await asyncio.gather(*asked)
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [409] * 5


@pytest.mark.parametrize(
    "body",
    [
        {**COLOUR, "name": "a:b"},
        {**COLOUR, "name": " "},
        {**COLOUR, "kind": "date"},
        {**COLOUR, "labels": {"english": "x"}},
    ],
)
async def test_attributes_without_sense_are_rejected(staff: Caller, body: Json) -> None:
    assert (await staff.post("/attributes", json=body)).status_code == 422
