"""Invoices and credit notes, the series of their numbers, and what is still to be issued."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, Identity, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from order_service.base import Base
from service_kit.ids import uuid7
from service_kit.problems import Problem


class InvoiceKind(StrEnum):
    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"


class InvoiceLinkInvalid(Problem, status=404, type="invoice-link-invalid"):
    """This link is not one of ours, or is incomplete: copy all of it, or sign in to see your invoices."""


class InvoiceLinkExpired(Problem, status=410, type="invoice-link-expired"):
    """This link could be used until {until}: sign in to see your invoices."""


class InvoicePolicy(Base, table=True):
    """When orders are invoiced. Without its row none is, and nothing is requested.

    It is a copy of the settings, so that the statements that change orders know it, in whichever process they run. The
    job that issues invoices holds its lock, so that only one process issues at a time.
    """

    __tablename__ = "invoice_policy"
    __table_args__ = (
        CheckConstraint("id = 1", name="one_row"),
        CheckConstraint("issue_at IN ('paid', 'dispatched')", name="issue_at"),
    )

    id: int = Field(
        default=1, sa_column=Column(SmallInteger, primary_key=True, autoincrement=False, server_default=text("1"))
    )
    issue_at: str


class InvoiceRequest(Base, table=True):
    """An order that is to be invoiced, or (`refund_id`) a refund that is to get a credit note.

    It is written by the statement that changes the order or the refund, and deleted when the job has handled it. Its
    id comes from the database: the requests of one order are in the sequence in which they were committed, since each
    is written under the order's lock.
    """

    __tablename__ = "invoice_requests"

    id: int = Field(sa_column=Column(BigInteger, Identity(), primary_key=True))
    order_id: UUID = Field(index=True)
    refund_id: UUID | None = None
    at: datetime = Field(description="when the order was paid or dispatched, or its refund succeeded")


class InvoiceSeries(Base, table=True):
    """A sequence of numbers: those of one kind in one year. `id` is the beginning of the number as it is printed."""

    __tablename__ = "invoice_series"
    __table_args__ = (UniqueConstraint("prefix", "year"),)

    id: str = Field(primary_key=True)
    prefix: str
    year: int
    next: int = Field(default=1, sa_type=BigInteger, description="the next number")


class Invoice(Base, table=True):
    """An invoice or a credit note, as it was issued: `content` is all that is printed, but for the recipient.

    Rows are never changed or deleted. `cause`: `order`, or the id of the refund; amounts are in the minor unit.
    """

    __tablename__ = "invoices"
    __table_args__ = (
        UniqueConstraint("series", "number"),
        UniqueConstraint("order_id", "kind", "cause"),
        CheckConstraint("kind IN ('invoice', 'credit_note')", name="kind"),
        Index("ix_invoices_issued_at_id", "issued_at", "id"),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    series: str = Field(foreign_key="invoice_series.id")
    number: int = Field(sa_type=BigInteger)
    order_id: UUID
    kind: str
    cause: str
    content: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    issued_at: datetime
    currency: str
    total: int = Field(sa_type=BigInteger)
    tax: int = Field(sa_type=BigInteger)

    @property
    def full_number(self) -> str:
        """The number as it is printed."""
        return full_number(self.series, self.number)


class InvoiceRecipient(Base, table=True):
    """The personal data of an invoice: the billing and the shipping address. Rows are never changed; they are deleted
    when the law no longer requires them (`invoice_retention`)."""

    __tablename__ = "invoice_recipients"

    invoice_id: UUID = Field(primary_key=True, foreign_key="invoices.id")
    content: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


ORDER = "order"
"""The cause of an invoice: an order is invoiced once."""


def full_number(series: str, number: int) -> str:
    return f"{series}-{number:06d}"


def parse_number(text: str) -> tuple[str, int] | None:
    """Series and number of a number as it is printed; None if it is none."""
    series, _, number = text.rpartition("-")
    if not (series and number.isascii() and number.isdecimal() and len(number) <= 18):
        return None
    return (series, int(number)) if full_number(series, int(number)) == text else None
