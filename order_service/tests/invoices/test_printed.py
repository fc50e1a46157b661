"""Invoices as pages and PDF files."""

import asyncio
import re
import time
from dataclasses import replace
from html import unescape
from typing import Any

import pytest

from order_service.invoices.content import InvoicedLine, invoice_content
from order_service.invoices.credit import Credits
from order_service.invoices.printed import paper_of, rate
from order_service.tests.invoices.test_credit import SELLER, invoice_of, line, order, refund_of, shipped_for
from service_kit.clock import utcnow
from service_kit.printing import Paper, page_of, render_pdf

ADA = {
    "name": "Ada King",
    "line1": "12 St James's Square",
    "city": "London",
    "postal_code": "SW1Y 4JH",
    "country": "GB",
}
RECIPIENT: dict[str, Any] = {"bill_to": ADA, "ship_to": ADA, "tax_id": None}
NOW = utcnow()


def paper(*lines: InvoicedLine, recipient: dict[str, Any] | None = RECIPIENT, **columns: Any) -> Paper:
    whole = replace(order(lines or [line(1, 2, 2400)], shipping=shipped_for(399)), **columns)
    content = invoice_content(whole, SELLER, NOW) | {
        "kind": "invoice", "number": "INV-2026-000001", "issued_on": "2026-11-29",
    }  # fmt: skip
    return paper_of(content, recipient, NOW)


def words(of: Paper) -> list[str]:
    """The text of the page, cell by cell."""
    body = page_of(of).partition("<body>")[2]
    return [unescape(each).strip() for each in re.sub(r"<[^>]+>", "\n", body).split("\n") if each.strip()]


async def pages_of(of: Paper) -> int:
    [count] = re.findall(rb"/Count (\d+)", await render_pdf(of))
    return int(count)


def test_the_page_has_parties_lines_and_sums() -> None:
    found = words(paper())
    for each in (
        "Invoice INV-2026-000001", "Online Mart Ltd", "Tax id: GB123456789", "Ada King", "SW1Y 4JH London",
        "Date of issue: 29 November 2026", "Order 100001 of", "A mug (S1)", "Shipping: Standard",
        "Unit prices and discounts include the tax.",
    ):  # fmt: skip
        assert any(each in word for word in found), each
    row = found.index("A mug (S1)")
    assert found[row + 1 : row + 7] == ["2", "12.00", "20.00", "20 %", "4.00", "24.00"]
    assert found[found.index("Net", row) - 1 :][-7:] == [
        "Net", "23.33", "Tax", "4.66", "Total", "GBP 27.99", "Unit prices and discounts include the tax.",
    ]  # fmt: skip


def test_a_credit_note_names_its_invoice_and_the_pieces() -> None:
    whole = order([line(1, 3, 1000), line(2, 1, 500)])
    content = Credits(whole, invoice_of(whole), []).credit(refund_of(whole, {1: 1}, {}), SELLER, is_credited=False)
    assert content is not None
    found = words(
        paper_of(
            content | {"kind": "credit_note", "number": "CN-2026-000001", "issued_on": "2026-11-29"}, RECIPIENT, NOW
        )
    )
    assert "Credit note CN-2026-000001" in found
    assert "Corrects invoice INV-2026-000001 of 29 November 2026" in found
    assert found[-4:-1] == ["0.55", "Total credited", "GBP 3.33"]


def test_markup_in_names_is_text() -> None:
    evil = replace(line(1, 1, 100), name="<script>alert(1)</script> & <b>")
    page = page_of(paper(evil, recipient={**RECIPIENT, "bill_to": ADA | {"name": "<img src=x>"}}))
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &lt;b&gt;" in page


@pytest.mark.parametrize(
    ("currency", "exponent_of_total"), [("JPY", "JPY 27,990"), ("GBP", "GBP 279.90"), ("KWD", "KWD 27.990")]
)
def test_amounts_have_the_digits_of_their_currency(currency: str, exponent_of_total: str) -> None:
    assert exponent_of_total in words(
        paper(replace(line(1, 2, 27_990), tax=0, tax_rate=0), currency=currency, shipping=None)
    )


def test_reverse_charge_is_said_in_words() -> None:
    found = words(paper(replace(line(1, 1, 100), tax=0, tax_rate=0), tax_note="reverse_charge", shipping=None))
    assert found[-1].startswith("Reverse charge: no tax is charged. The customer accounts for it")


def test_rates_are_written_as_percent() -> None:
    assert [rate(each) for each in (0, 200_000, 72_500, 55_000, 1)] == ["0 %", "20 %", "7.25 %", "5.5 %", "0.0001 %"]


async def test_the_same_invoice_has_the_same_bytes() -> None:
    cjk = paper(replace(line(1, 1, 100), name="白い陶器のマグカップ 머그컵 Кружка Κούπα Becher"))
    assert await render_pdf(cjk) == await render_pdf(cjk)
    assert len(await render_pdf(cjk)) < 100_000  # of the fonts only what is used


@pytest.mark.timeout(120)
async def test_an_order_of_2000_lines_is_printed_while_the_loop_serves() -> None:
    name = "A product with a rather long name that needs several lines of the narrow column"
    large = paper(*(replace(line(n, 1, 100), name=name) for n in range(1, 2_001)))
    rendering, waits = asyncio.create_task(render_pdf(large)), []
    while not rendering.done():
        began = time.monotonic()
        await asyncio.sleep(0)
        waits.append(time.monotonic() - began)
        await asyncio.sleep(0.01)
    assert len(waits) > 50
    [count] = re.findall(rb"/Count (\d+)", await rendering)
    assert 2_000 / 45 <= int(count) < 120
    assert len(words(large)) > 2_000 * 7


async def test_a_long_order_continues_on_the_next_page() -> None:
    assert await pages_of(paper()) == 1
    assert await pages_of(paper(*(line(n, 1, 100) for n in range(1, 101)))) == 3
