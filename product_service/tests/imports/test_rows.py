"""Rows that fail, and what fails as a whole."""

import csv
import io
import json

import pytest

from product_service.tests.conftest import MakeCategory, MakeProduct
from product_service.tests.imports.conftest import Import, Json, counts, failed, lines, send, started, work
from tests.harness.service import Caller, Served

HEADER = "sku,name,price_amount,price_currency"


async def test_each_row_that_fails_is_named_and_can_be_mended(staff: Caller, imported: Import) -> None:
    content = lines(
        "A,Good,100,GBP", ",Nameless,100,GBP", "B,Half,1.5,GBP", "C,,100,GBP", "D,Free,,GBP", "E,Wrong,100,pounds",
        "F,Few,100", "H h,Space,100,GBP", 'G,"Open,100,GBP', "Z,Good too,100,GBP",
        header=HEADER,
    )  # fmt: skip
    done = await imported(content)
    assert counts(done) == {"state": "done", "rows": 10, "created": 2, "changed": 0, "unchanged": 0, "failed": 8}
    assert await failed(staff, done) == [
        ("2", "sku", "sku-missing"), ("3", "price_amount", "amount-not-integer"), ("4", "name", "name-missing"),
        ("5", "price_amount", "amount-missing"), ("6", "price_currency", "currency-invalid"), ("7", "", "row-broken"),
        ("8", "sku", "sku-invalid"), ("9", "", "row-broken"),
    ]  # fmt: skip
    rest = (await staff.get(f"/imports/{done['id']}/failed-rows")).text
    again = await imported(rest.replace("1.5", "15"))
    assert (counts(again)["created"], counts(again)["failed"]) == (1, 7)
    header = rest.splitlines()[0]
    third = (await staff.get(f"/imports/{again['id']}/failed-rows")).text
    assert third.splitlines()[0] == header, "the columns of errors are not repeated"


async def test_lines_of_json_fail_one_by_one(staff: Caller, imported: Import) -> None:
    good = {"sku": "A", "name": "Good", "price_amount": 5, "price_currency": "GBP", "attribute:x": True}
    rows = [json.dumps(good), "[]", "{", '{"sku": "B", "colour": "red"}', '{"sku": "\\ud800"}', '{"sku": "C"}']
    bad = {**good, "sku": "D", "price_amount": "5", "name": "\x00"}
    content = "\n".join([*rows, json.dumps(bad), json.dumps({**good, "sku": "E", "category": "\ud800"})]).encode()
    done = await imported(content + b'\n{"sku": "\xff"}\n\n{"sku": "G", "na', "jsonl")
    assert counts(done)["created"] == 1
    assert await failed(staff, done) == [
        ("2", "", "row-broken"), ("3", "", "row-broken"), ("4", "colour", "column-unknown"),
        ("5", "sku", "sku-invalid"), ("6", "name", "name-missing"), ("7", "name", "name-invalid"),
        ("8", "category", "category-unknown"), ("9", "", "row-not-utf-8"), ("10", "", "row-broken"),
    ]  # fmt: skip


async def test_rules_of_the_api_are_those_of_imports(
    staff: Caller, make_product: MakeProduct, make_category: MakeCategory, imported: Import
) -> None:
    await make_product(sku="A", gtin="5901234123457")
    family = await staff.post("/families", json={"name": "Apron", "options": [{"name": "size", "values": ["M", "L"]}]})
    assert family.status_code == 201
    header = "sku,name,price_amount,price_currency,status,category,family,option:size,gtin"
    content = lines(
        "A,Renamed,1,GBP,draft,,,,5901234123457", "B,B,1,GBP,active,nowhere,,,", "C,C,1,GBP,active,,apron,XL,",
        "D,D,1,GBP,active,,apron,M,", "E,E,1,GBP,active,,apron,M,", "F,F,1,GBP,active,,none,M,",
        "G,G,1,GBP,active,,,,5901234123457", "H,H,1,GBP,active,,,,123",
        header=header,
    )  # fmt: skip
    done = await imported(content)
    assert (await failed(staff, done), counts(done)["created"]) == (
        [
            ("1", "status", "not-a-draft-again"), ("2", "category", "category-unknown"),
            ("3", "family", "option-unknown"),
            ("5", "family", "variant-exists"), ("6", "family", "family-unknown"), ("7", "gtin", "gtin-taken"),
            ("8", "gtin", "gtin-invalid"),
        ],
        1,
    )  # fmt: skip


async def test_modes(staff: Caller, make_product: MakeProduct, imported: Import) -> None:
    await make_product(sku="OLD")
    both = lines("OLD,New name,1,GBP", "NEW,New,1,GBP", header=HEADER)
    assert await failed(staff, created := await imported(both, mode="create")) == [("1", "sku", "sku-taken")]
    assert counts(created)["created"] == 1
    both = lines("OLD,Newer name,1,GBP", "OTHER,New,1,GBP", header=HEADER)
    assert await failed(staff, changed := await imported(both, mode="update")) == [("2", "sku", "sku-unknown")]
    assert counts(changed)["changed"] == 1


async def test_a_repeated_sku_finds_what_the_first_has_stored(service: Served, staff: Caller, imported: Import) -> None:
    done = await imported(lines("A,One,1,GBP", "B,B,1,GBP", "A,Two,1,GBP", "A,Two,1,GBP", header=HEADER))
    assert counts(done) == {"state": "done", "rows": 4, "created": 2, "changed": 1, "unchanged": 1, "failed": 0}
    assert [event.version for event in await service.events() if event.sku == "A"] == [1, 2]


async def test_an_import_can_stop_at_the_first_row_that_fails(staff: Caller, imported: Import) -> None:
    done = await imported(lines("A,A,1,GBP", "B,B,1,GBP", "C,C,x,GBP", "D,D,1,GBP", header=HEADER), on_error="stop")
    assert counts(done) == {"state": "failed", "rows": 3, "created": 2, "changed": 0, "unchanged": 0, "failed": 1}
    assert done["error"] == "stopped at row 3, which failed"


async def test_missing_categories_are_created_only_if_asked(staff: Caller, imported: Import) -> None:
    content = lines("A,A,1,GBP,Home > Candles", "B,B,1,GBP,Home", header=f"{HEADER},category")
    assert counts(await imported(content))["failed"] == 2
    assert counts(await imported(content, create_categories=True))["created"] == 2
    [home] = (await staff.get("/categories/tree")).json()["items"]
    assert (home["name"], [each["name"] for each in home["children"]]) == ("Home", ["Candles"])
    assert counts(await imported(content, create_categories=True))["unchanged"] == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "empty"), ("\ufeff\r\n", "empty"), ("sku;name\n", "unknown columns"), ("sku,colour\n", "colour"),
        ("name\nx\n", "sku is missing"), ("sku,sku\n", "twice"), ("sku,name:de\n", "name:de"),
        ("sku,name\nA,b\n".encode("utf-16"), "UTF-16"), ("sku,näme\n".encode("latin-1"), "UTF-8"),
    ],
)  # fmt: skip
async def test_a_file_that_is_none_is_refused(staff: Caller, content: str | bytes, reason: str) -> None:
    answer = await send(staff, content)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/import-unreadable")
    assert reason in answer.json()["detail"]
    assert (await staff.get("/imports")).json()["items"] == []


async def test_a_byte_order_mark_and_line_breaks_in_cells(staff: Caller, imported: Import) -> None:
    rows = io.StringIO()
    csv.writer(rows).writerows([["sku", "name", "description", "price_amount", "price_currency"]])
    csv.writer(rows).writerows([["A", "A", 'two\nlines, "quoted"', 1, "GBP"], ["B", "B", "", 2, "GBP"]])
    done = await imported("\ufeff" + rows.getvalue().rstrip())
    assert (counts(done)["created"], await failed(staff, done)) == (2, [])
    shown = (await staff.get("/products", params={"sku": "A", "status": "draft"})).json()["items"][0]
    assert (await staff.get(f"/products/{shown['id']}")).json()["description"] == 'two\nlines, "quoted"'


async def test_prices_are_scheduled_once(
    service: Served, staff: Caller, make_product: MakeProduct, imported: Import
) -> None:
    made = await make_product(sku="A")
    header = "sku,amount,currency,min_quantity,starts_at,ends_at"
    rows = ["A,5,GBP,1,2030-01-01T00:00:00Z,", "A,4,GBP,10,2030-01-01T00:00:00Z,2031-01-01T00:00:00Z"]
    bad = ["B,5,GBP,,,", "A,0,GBP,,,", "A,6,GBP,1,2030-01-01T00:00:00Z,", "A,4,GBP,10,2030-01-01T00:00:00Z,soon"]
    done = await imported(lines(*rows, *bad, header=header), kind="prices")
    assert await failed(staff, done) == [
        ("3", "sku", "sku-unknown"), ("4", "amount", "amount-invalid"), ("5", "starts_at", "price-exists"),
        ("6", "ends_at", "ends-at-invalid"),
    ]  # fmt: skip
    later = lines(rows[0], rows[1].replace("2031", "2032"), header=header)
    assert counts(await imported(later, kind="prices"))["changed"] == 1
    versions = [event.version for event in await service.events() if str(event.product_id) == made["id"]]
    assert versions == [1, 2, 3], "each batch publishes a product once"
    listed: list[Json] = (await staff.get(f"/products/{made['id']}/prices")).json()["items"]
    assert [(each["amount"], each["ends_at"]) for each in listed] == [(5, None), (4, "2032-01-01T00:00:00Z")]


async def test_changes_of_imports_are_in_the_audit_log(service: Served, staff: Caller) -> None:
    await started(staff, lines("A,A,1,GBP", header=HEADER))
    await work(service)
    auditor = service.caller("audit-log:read")
    entries = (await auditor.get("/audit-log", params={"resource": "product"})).json()["items"]
    assert [(each["actor_id"], each["action"]) for each in entries] == [(str(staff.user_id), "POST /imports")]
