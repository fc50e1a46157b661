"""What is invoiced and credited, and who may read it."""

import csv
import io
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from contracts.events import shipment_notification as parcels
from contracts.events.order_notification import InvoiceIssued
from contracts.events.users import UserErased
from order_service.invoices import jobs, queries
from order_service.invoices.links import make_token
from order_service.personal_data import PERSONAL_DATA
from order_service.settings import InvoiceSettings
from order_service.tests.conftest import SHIP_TO, secrets
from order_service.tests.invoices.conftest import InvoicingShop, invoicing_shop
from order_service.tests.invoices.stored import SELLER
from service_kit.clock import utcnow
from service_kit.personal_data.consumers import erase_again
from tests.harness.service import serve

TWO_MUGS: dict[str, Any] = {"unit_price": 1200, "quantity": 2, "tax": 400, "tax_rate": 200_000, "sku": "M-1"}
BOOK: dict[str, Any] = {"unit_price": 1000, "tax": 0, "tax_rate": 0, "name": "A book", "sku": "B-1"}
STANDARD: dict[str, Any] = {
    "method": "standard", "name": "Standard", "amount": 399, "discount": 0, "net": 333, "tax": 66, "total": 399,
    "taxes": [{"rate": 200_000, "net": 233, "tax": 46}, {"rate": 0, "net": 120, "tax": 0}],
}  # fmt: skip
STANDARD["net"], STANDARD["tax"] = 353, 46


async def test_a_paid_order_is_invoiced_with_all_that_is_printed(shop: InvoicingShop) -> None:
    order_id = await shop.invoiced(TWO_MUGS, BOOK, shipping=STANDARD, tax_id="DE123456789")
    [invoice] = await shop.invoices(order_id)
    today = utcnow().date().isoformat()
    assert invoice["number"] == f"INV-{utcnow().year}-000001"
    assert (invoice["issued_on"], invoice["supplied_on"], invoice["ordered_on"]) == (today, today, today)
    assert invoice["seller"] == {
        "name": "Online Mart Ltd", "address": ["1 Mill Lane", "London N1 9GU", "United Kingdom"],
        "tax_id": "GB123456789",
    }  # fmt: skip
    assert [(line["sku"], line["quantity"], line["net"], line["tax"], line["total"]) for line in invoice["lines"]] == [
        ("M-1", 2, 2000, 400, 2400),
        ("B-1", 1, 1000, 0, 1000),
    ]
    assert invoice["taxes"] == [
        {"rate": 200_000, "net": 2233, "tax": 446, "total": 2679},
        {"rate": 0, "net": 1120, "tax": 0, "total": 1120},
    ]
    assert (invoice["net"], invoice["tax"], invoice["total"]) == (3353, 446, 3799)
    assert (invoice["currency"], invoice["exponent"], invoice["prices_include_tax"]) == ("GBP", 2, True)
    detail = (await shop.customer.get(f"/invoices/{invoice['number']}")).json()
    assert detail["recipient"] == {"bill_to": SHIP_TO, "ship_to": SHIP_TO, "tax_id": "DE123456789"}
    [event] = await shop.served.events(InvoiceIssued)
    assert (event.order_id, event.invoice_number, event.total.amount, event.credit_note) == (
        order_id, invoice["number"], 3799, False,
    )  # fmt: skip


async def test_an_order_of_nothing_is_invoiced_and_one_that_is_never_paid_is_not(shop: InvoicingShop) -> None:
    [free] = await shop.awaiting_payment({"unit_price": 100, "discount": 100}, status="pending")
    await shop.accept(free)
    await shop.issue()
    [invoice] = await shop.invoices(free)
    assert (invoice["total"], invoice["tax"], invoice["lines"][0]["discount"]) == (0, 0, 100)
    [cancelled] = await shop.awaiting_payment()
    assert (await shop.customer.post(f"/orders/{cancelled}/cancel", json={})).is_success
    await shop.issue()
    assert await shop.invoices(cancelled) == []


async def test_nothing_is_requested_unless_the_seller_is_configured() -> None:
    async with serve("order_service", limits=False, **secrets()) as served:
        shop = InvoicingShop(served)
        await jobs.apply_policy(served.runtime)
        order_id = await shop.invoiced()
        await shop.refund_by_staff(order_id, 100)
        await shop.settle_refunds(order_id)
        assert await shop.execute("SELECT count(*) FROM invoice_requests") == 0
        assert (await shop.customer.get(f"/orders/{order_id}/invoices")).json()["items"] == []


async def test_switching_invoices_off_ends_the_requests(shop: InvoicingShop) -> None:
    async with serve("order_service", database_url=shop.served.database_url, **secrets()) as served:
        await jobs.apply_policy(served.runtime)
        await InvoicingShop(served).invoiced()
        assert await InvoicingShop(served).execute("SELECT count(*) FROM invoice_requests") == 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"seller_name": "Mart"}, "SELLER_ADDRESS, SELLER_TAX_ID, INVOICE_LINK_SECRET, PUBLIC_URL: needed too"),
        ({**SELLER, "invoice_link_secret": None}, "INVOICE_LINK_SECRET: needed too"),
        ({**SELLER, "credit_note_prefix": "INV"}, "must differ"),
    ],
)
def test_settings_of_invoices_are_complete_or_absent(settings: dict[str, Any], words: str) -> None:
    InvoiceSettings(), InvoiceSettings(**SELLER)
    with pytest.raises(ValueError, match=words):
        InvoiceSettings(**settings)


async def test_invoices_at_the_first_dispatch_are_followed_by_notes_of_earlier_refunds() -> None:
    async with invoicing_shop(invoice_at="dispatched") as shop:
        order_id = await shop.invoiced(TWO_MUGS)
        await shop.refund_by_staff(order_id, 300)
        await shop.settle_refunds(order_id)
        await shop.issue()
        assert await shop.invoices(order_id) == []
        first, second = uuid4(), uuid4()
        await shop.deliver(shop.parcel(order_id, parcels.ShipmentDispatched, first, of=2))
        await shop.deliver(shop.parcel(order_id, parcels.ShipmentDispatched, second, of=2))
        await shop.issue()
        invoice, note = await shop.invoices(order_id)
        assert (invoice["total"], note["total"], note["tax"]) == (2400, 300, 50)
        assert note["corrects"]["number"] == invoice["number"]


async def _returned(shop: InvoicingShop, *pieces: int) -> tuple[Any, list[dict[str, Any]]]:
    """A delivered order of three mugs (10.00) and a book without tax; the mugs come back in these parts."""
    order_id = await shop.invoiced(
        {"unit_price": 334, "quantity": 3, "discount": 2, "tax": 167, "tax_rate": 200_000}, BOOK
    )
    product_id = await shop.execute("SELECT product_id FROM order_lines WHERE order_id = $1 AND position = 1", order_id)
    parcel = uuid4()
    for kind in (parcels.ShipmentCreated, parcels.ShipmentDispatched, parcels.ShipmentDelivered):
        await shop.deliver(shop.parcel(order_id, kind, parcel))
    for version, quantity in enumerate(pieces, 1):
        body = {"lines": [{"line": 1, "quantity": quantity}], "reason": "too small"}
        made = await shop.customer.post(
            f"/orders/{order_id}/returns", json=body, headers={"Idempotency-Key": str(uuid4())}
        )
        assert made.status_code == 201, made.text
        assert (await shop.staff.post(f"/returns/{made.json()['id']}/approve")).status_code == 200
        line = parcels.ReceivedLine(product_id=product_id, restocked=quantity, scrapped=0)
        await shop.deliver(
            parcels.ReturnReceived(
                return_id=made.json()["id"], order_id=order_id, version=version, customer_id=shop.customer.user_id,
                number="1", warehouse_id=uuid4(), lines=[line],
            )
        )  # fmt: skip
        await shop.settle_refunds(order_id)
        await shop.issue()
    return order_id, await shop.invoices(order_id)


async def test_returns_are_credited_by_the_shares_of_their_lines(shop: InvoicingShop) -> None:
    _, [invoice, first, second] = await _returned(shop, 1, 2)
    assert [(line["quantity"], line["total"], line["tax"]) for line in first["lines"]] == [(1, 333, 56)]
    assert [(line["quantity"], line["total"], line["tax"]) for line in second["lines"]] == [(2, 667, 111)]
    assert first["tax"] + second["tax"] == invoice["taxes"][0]["tax"] == 167
    assert [note["number"][:2] for note in (first, second)] == ["CN", "CN"]


async def test_the_refund_of_a_lost_parcel_is_credited_by_its_lines(shop: InvoicingShop) -> None:
    order_id = await shop.invoiced(TWO_MUGS, BOOK)
    book, mug = [
        await shop.execute("SELECT product_id FROM order_lines WHERE order_id = $1 AND position = $2", order_id, at)
        for at in (2, 1)
    ]
    for product_id, quantity, last in ((mug, 2, parcels.ShipmentDelivered), (book, 1, parcels.ShipmentLost)):
        id = uuid4()
        for kind in (parcels.ShipmentCreated, parcels.ShipmentDispatched, last):
            event = shop.parcel(order_id, kind, id, of=2)
            lines = [{"product_id": product_id, "quantity": quantity}]
            await shop.deliver(kind.model_validate({**event.model_dump(), "lines": lines}))
    await shop.settle_refunds(order_id)
    await shop.issue()
    _, note = await shop.invoices(order_id)
    assert [(line["sku"], line["total"], line["tax"]) for line in note["lines"]] == [("B-1", 1000, 0)]
    assert note["other"] == []


async def test_a_refund_by_staff_is_credited_with_its_tax_in_proportion(shop: InvoicingShop) -> None:
    order_id = await shop.invoiced(TWO_MUGS, BOOK)
    await shop.refund_by_staff(order_id, 340)
    await shop.settle_refunds(order_id)
    await shop.issue()
    _, note = await shop.invoices(order_id)
    assert note["lines"] == []
    assert (
        note["other"]
        == note["taxes"]
        == [
            {"rate": 200_000, "net": 200, "tax": 40, "total": 240},
            {"rate": 0, "net": 100, "tax": 0, "total": 100},
        ]
    )
    await shop.refund_by_staff(order_id, 3060)
    await shop.settle_refunds(order_id)
    await shop.issue()
    invoice, *notes = await shop.invoices(order_id)
    assert sum(each["total"] for each in notes) == invoice["total"]
    assert sum(each["tax"] for each in notes) == invoice["tax"]


async def test_an_order_cancelled_after_its_payment_is_credited_as_a_whole(shop: InvoicingShop) -> None:
    order_id = await shop.invoiced(TWO_MUGS, shipping=STANDARD)
    await shop.refund_by_staff(order_id, 2799)
    await shop.settle_refunds(order_id)
    await shop.issue()
    invoice, note = await shop.invoices(order_id)
    same = ("lines", "shipping", "taxes", "total", "tax")
    assert {name: note[name] for name in same} == {name: invoice[name] for name in same}


async def test_customers_read_their_own_and_staff_all(shop: InvoicingShop) -> None:
    order_id = await shop.invoiced()
    [item] = (await shop.customer.get(f"/orders/{order_id}/invoices")).json()["items"]
    assert item == {
        "number": item["number"], "kind": "invoice", "issued_at": item["issued_at"], "order_number": "100001",
        "total": {"amount": 1200, "currency": "GBP"}, "tax": {"amount": 200, "currency": "GBP"},
        "pdf": f"/invoices/{item['number']}/pdf", "html": f"/invoices/{item['number']}/html",
    }  # fmt: skip
    other = shop.served.caller()
    for path in (item["pdf"], item["html"], f"/invoices/{item['number']}", f"/orders/{order_id}/invoices"):
        assert (await shop.customer.get(path)).status_code == 200, path
        assert (await shop.staff.get(path)).status_code == 200, path
        assert (await other.get(path)).status_code == 404, path
        assert (await shop.served.anonymous.get(path)).status_code == 401, path
    for number in ("INV-2026-1", "INV-2026-000002", "INV", "x" * 500, "INV-2026-٠٠٠٠٠١"):
        assert (await shop.staff.get(f"/invoices/{number}")).status_code == 404, number
    assert (await shop.customer.get("/invoices")).status_code == 403
    assert (await shop.customer.get("/invoices.csv")).status_code == 403


async def test_headers_of_files(shop: InvoicingShop) -> None:
    order_id = await shop.invoiced()
    [item] = (await shop.customer.get(f"/orders/{order_id}/invoices")).json()["items"]
    pdf, html = await shop.customer.get(item["pdf"]), await shop.customer.get(item["html"])
    assert pdf.headers["Content-Type"] == "application/pdf"
    assert pdf.content.startswith(b"%PDF-")
    assert pdf.content == (await shop.customer.get(item["pdf"])).content
    assert html.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'; style-src 'sha256-" in html.headers["Content-Security-Policy"]
    for answer, form in ((pdf, "pdf"), (html, "html")):
        assert answer.headers["Content-Disposition"] == f'inline; filename="{item["number"]}.{form}"'
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"


async def test_staff_list_and_export_a_period(shop: InvoicingShop) -> None:
    order_id = await shop.invoiced(TWO_MUGS, BOOK)
    await shop.refund_by_staff(order_id, 340)
    await shop.settle_refunds(order_id)
    await shop.issue()
    for _ in range(3):
        await shop.invoiced()
    today, tomorrow = utcnow().date(), utcnow().date() + timedelta(days=1)
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await shop.staff.get("/invoices", params={"since": str(today), "limit": "2", **cursor})).json()
        seen += [item["number"] for item in page["items"]]
        if not page["next"]:
            break
        cursor = {"cursor": page["next"]}
    assert len(seen) == len(set(seen)) == 5
    assert (await shop.staff.get("/invoices", params={"since": str(tomorrow)})).json()["items"] == []
    assert (await shop.staff.get("/invoices", params={"until": "9999-12-31"})).json()["items"]
    assert (await shop.staff.get("/invoices", params={"until": "0001-01-01"})).json()["items"] == []
    exported = await shop.staff.get("/invoices.csv", params={"until": str(today)})
    rows = list(csv.DictReader(io.StringIO(exported.text)))
    note = [row for row in rows if row["kind"] == "credit_note"]
    assert [(row["tax_rate"], row["net"], row["tax"], row["total"]) for row in note] == [
        ("0.2", "-2.00", "-0.40", "-2.40"),
        ("0", "-1.00", "0.00", "-1.00"),
    ]
    assert note[0]["corrects"] == rows[0]["number"]
    assert len(rows) == 2 + 2 + 3


async def test_a_mailed_link_shows_one_invoice_until_it_expires(shop: InvoicingShop) -> None:
    await shop.invoiced()
    [event] = await shop.served.events(InvoiceIssued)
    path = event.link.removeprefix("http://shop.test")
    page = await shop.served.anonymous.get(path)
    assert page.status_code == 200
    assert "Ada King" in page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert (await shop.served.anonymous.get(f"{path}&format=pdf")).content.startswith(b"%PDF-")

    past = make_token(event.invoice_id, utcnow() - timedelta(seconds=1), SELLER["invoice_link_secret"])
    expired = await shop.served.anonymous.get("/invoice-link", params={"token": past})
    assert (expired.status_code, expired.json()["type"]) == (410, "/problems/invoice-link-expired")
    token = path.partition("token=")[2]
    forged = make_token(event.invoice_id, utcnow() + timedelta(days=1), "another secret")
    unknown = make_token(uuid4(), utcnow() + timedelta(days=1), SELLER["invoice_link_secret"])
    changed = ("B" if token[0] == "A" else "A") + token[1:]
    for wrong in (forged, unknown, changed, token[:-4], token[:8], "", "é", "!" * 80, token + "AAAA"):
        answer = await shop.served.anonymous.get("/invoice-link", params={"token": wrong})
        assert (answer.status_code, answer.json()["type"]) == (404, "/problems/invoice-link-invalid"), wrong


async def test_invoices_are_never_changed_and_recipients_only_deleted(shop: InvoicingShop) -> None:
    await shop.invoiced()
    for statement in (
        "UPDATE invoices SET total = 1", "DELETE FROM invoices", "TRUNCATE invoices CASCADE",
        "UPDATE invoice_recipients SET content = '{}'",
    ):  # fmt: skip
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await shop.execute(statement)


async def test_names_and_addresses_go_after_the_retention_and_outlive_the_account(shop: InvoicingShop) -> None:
    order_id = await shop.invoiced(tax_id="DE123456789")
    [item] = (await shop.customer.get(f"/orders/{order_id}/invoices")).json()["items"]
    await jobs.erase_recipients(shop.runtime)
    assert "Ada King" in (await shop.staff.get(item["html"])).text
    exported = (await shop.customer.get("/me/export")).json()["invoices"]
    assert [(each["content"]["number"], each["recipient"]["bill_to"]["name"]) for each in exported] == [
        (item["number"], "Ada King")
    ]

    async with shop.runtime.database.connection() as connection:
        await queries._DELETE_RECIPIENTS.execute(
            connection, now=utcnow().replace(year=utcnow().year + 10), retention=timedelta(days=3650), limit=10
        )
        assert await connection.fetchval("SELECT count(*) FROM invoice_recipients") == 1
        await queries._DELETE_RECIPIENTS.execute(
            connection, now=utcnow().replace(year=utcnow().year + 11, month=1, day=1), retention=timedelta(days=3650),
            limit=10,
        )  # fmt: skip
    for path in (item["html"], item["pdf"], f"/invoices/{item['number']}"):
        assert (await shop.staff.get(path)).status_code == 200
    assert "Ada King" not in (page := (await shop.staff.get(item["html"])).text)
    assert "erased after the legal term" in page
    assert (await shop.staff.get(f"/invoices/{item['number']}")).json()["recipient"] is None


@pytest.mark.parametrize("invoice_at", ["paid", "dispatched"])
async def test_an_account_is_erased_before_its_order_is_invoiced(invoice_at: str) -> None:
    """The invoice has the address; the order loses it as soon as it was issued."""
    async with invoicing_shop(invoice_at=invoice_at) as shop:
        [order_id] = await shop.awaiting_payment(bill_to={**SHIP_TO, "name": "Ada Lovelace"})
        await shop.pay(order_id)
        await shop.deliver(UserErased(user_id=shop.customer.user_id, version=2))
        await shop.issue()
        await shop.deliver(shop.parcel(order_id, parcels.ShipmentDispatched, uuid4()))
        await shop.issue()
        number = await shop.execute("SELECT content->>'number' FROM invoices")
        recipient = (await shop.staff.get(f"/invoices/{number}")).json()["recipient"]
        assert (recipient["ship_to"]["name"], recipient["bill_to"]["name"]) == ("Ada King", "Ada Lovelace")

        await erase_again(shop.runtime, PERSONAL_DATA)
        assert await shop.execute("SELECT ship_to->>'name' FROM orders") == "erased"
        assert await shop.execute("SELECT bill_to FROM orders") is None


async def test_a_credit_note_after_the_erasure_has_the_recipient_of_its_invoice(shop: InvoicingShop) -> None:
    order_id = await shop.invoiced(TWO_MUGS)
    await shop.deliver(UserErased(user_id=shop.customer.user_id, version=2))
    await shop.refund_by_staff(order_id, 340)
    await shop.settle_refunds(order_id)
    await shop.issue()
    _, note = await shop.invoices(order_id)
    assert (await shop.staff.get(f"/invoices/{note['number']}")).json()["recipient"]["ship_to"]["name"] == "Ada King"
