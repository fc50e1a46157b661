"""Invoices in responses."""

from datetime import date, datetime
from typing import Any, Self

from pydantic import BaseModel, Field

from contracts.money import Money
from order_service.invoices.models import Invoice, InvoiceKind


class InvoiceOut(BaseModel):
    """An invoice or a credit note. `pdf` and `html`: the paths at which it can be read, with a token."""

    number: str = Field(examples=["INV-2026-000042"])
    kind: InvoiceKind
    issued_at: datetime
    total: Money
    tax: Money
    order_number: str
    pdf: str
    html: str

    @classmethod
    def of(cls, invoice: Invoice) -> Self:
        return cls(**_summary(invoice))


class TaxRateOut(BaseModel):
    """What is taxed at one rate. Amounts are integers in the currency's minor unit, the rate in parts per million."""

    rate: int
    net: int
    tax: int
    total: int


class InvoiceDetailOut(InvoiceOut):
    """With all that is printed. `recipient` null: it was erased, since the law no longer requires it."""

    issued_on: date
    corrects: str | None = Field(description="of a credit note: the number of its invoice")
    recipient: dict[str, Any] | None
    taxes: list[TaxRateOut]
    content: dict[str, Any] = Field(description="as it was issued: it never changes")

    @classmethod
    def whole(cls, invoice: Invoice, recipient: dict[str, Any] | None) -> Self:
        content = invoice.content
        return cls(
            **_summary(invoice),
            issued_on=content["issued_on"],
            corrects=content.get("corrects", {}).get("number"),
            recipient=recipient,
            taxes=content["taxes"],
            content=content,
        )


def _summary(invoice: Invoice) -> dict[str, Any]:
    path = f"/invoices/{invoice.full_number}"
    return {
        "number": invoice.full_number,
        "kind": invoice.kind,
        "issued_at": invoice.issued_at,
        "total": Money(amount=invoice.total, currency=invoice.currency),
        "tax": Money(amount=invoice.tax, currency=invoice.currency),
        "order_number": invoice.content["order_number"],
        "pdf": f"{path}/pdf",
        "html": f"{path}/html",
    }
