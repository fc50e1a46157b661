"""An invoice or a credit note as a document to print: labels and figures of its stored content."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from order_service.invoices.models import InvoiceKind
from order_service.pricing.arithmetic import MILLION
from service_kit.addresses import address_lines
from service_kit.printing import Block, Column, Paper

TITLES = {InvoiceKind.INVOICE: "Invoice", InvoiceKind.CREDIT_NOTE: "Credit note"}
ERASED = "(erased after the legal term)"


def paper_of(content: Mapping[str, Any], recipient: Mapping[str, Any] | None, issued_at: datetime) -> Paper:
    """`recipient` None: it was erased."""
    figures = _Figures(content["exponent"])
    has_discount = any(line["discount"] for line in content["lines"])
    return Paper(
        title=f"{TITLES[InvoiceKind(content['kind'])]} {content['number']}",
        created_at=issued_at,
        blocks=[*_parties(content, recipient), Block("Details", list(_details(content)))],
        columns=_columns(has_discount),
        rows=[row if has_discount else row[:3] + row[4:] for row in _rows(content, figures)],
        summary=[
            ("Tax rate", "Net", "Tax", "Total"),
            *((rate(each["rate"]), *figures.of(each)) for each in content["taxes"]),
        ],
        sums=[
            ("Net", figures(content["net"])),
            ("Tax", figures(content["tax"])),
            (
                "Total credited" if "corrects" in content else "Total",
                f"{content['currency']} {figures(content['total'])}",
            ),
        ],
        notes=list(_notes(content)),
    )


class _Figures:
    """Amounts with the digits of the currency: 123450 with an exponent of 2 is 1,234.50."""

    def __init__(self, exponent: int) -> None:
        self._exponent = exponent

    def __call__(self, amount: int) -> str:
        whole, rest = divmod(amount, 10**self._exponent)
        return f"{whole:,}.{rest:0{self._exponent}}" if self._exponent else f"{whole:,}"

    def of(self, row: Mapping[str, Any]) -> tuple[str, str, str]:
        return self(row["net"]), self(row["tax"]), self(row["total"])


def rate(millionths: int) -> str:
    """200000 is 20 %, 72500 is 7.25 %."""
    whole, rest = divmod(millionths, MILLION // 100)
    return f"{whole}.{rest:04d}".rstrip("0").rstrip(".") + " %"


def _columns(has_discount: bool) -> list[Column]:
    widths = {"Quantity": 15, "Unit price": 22, "Discount": 20, "Net": 22, "Tax rate": 15, "Tax": 20, "Total": 23}
    if not has_discount:
        del widths["Discount"]
    figures = [Column(title, width, right=True) for title, width in widths.items()]
    return [Column("Item", 190 - sum(widths.values())), *figures]


def _rows(content: Mapping[str, Any], figures: _Figures) -> Iterator[tuple[str, ...]]:
    for line in content["lines"]:
        net, tax, total = figures.of(line)
        discount = figures(line["discount"]) if line["discount"] else ""
        item, price = f"{line['name']} ({line['sku']})", figures(line["unit_price"])
        yield item, str(line["quantity"]), price, discount, net, rate(line["rate"]), tax, total
    if shipping := content["shipping"]:
        net, tax, total = figures.of(shipping)
        rates, item = ", ".join(map(rate, shipping["rates"])), f"Shipping: {shipping['name']}".rstrip(": ")
        price, discount = figures(shipping["amount"]), figures(shipping["discount"]) if shipping["discount"] else ""
        yield item, "1", price, discount, net, rates, tax, total
    for other in content.get("other", ()):
        net, tax, total = figures.of(other)
        yield "Refund of a part of the price", "", "", "", net, rate(other["rate"]), tax, total


def _parties(content: Mapping[str, Any], recipient: Mapping[str, Any] | None) -> Iterator[Block]:
    seller = content["seller"]
    yield Block("From", [seller["name"], *seller["address"], f"Tax id: {seller['tax_id']}"])
    if recipient is None:
        yield Block("To", [ERASED])
        return
    tax_id = [f"Tax id: {recipient['tax_id']}"] if recipient["tax_id"] else []
    yield Block("Bill to", [*address_lines(recipient["bill_to"]), *tax_id])
    if recipient["ship_to"] != recipient["bill_to"]:
        yield Block("Ship to", address_lines(recipient["ship_to"]))


def _details(content: Mapping[str, Any]) -> Iterator[str]:
    yield f"Date of issue: {_day(content['issued_on'])}"
    if corrected := content.get("corrects"):
        yield f"Corrects invoice {corrected['number']} of {_day(corrected['issued_on'])}"
    else:
        yield f"Date of supply: {_day(content['supplied_on'])}"
    yield f"Order {content['order_number']} of {_day(content['ordered_on'])}"
    yield f"Currency: {content['currency']}"


def _notes(content: Mapping[str, Any]) -> Sequence[str]:
    words = "Unit prices and discounts include the tax." if content["prices_include_tax"] else "Tax is added to prices."
    return [*([words] if content["tax"] else []), *([content["note"]] if content["note"] else [])]


def _day(iso: str) -> str:
    return f"{date.fromisoformat(iso):%-d %B %Y}"
