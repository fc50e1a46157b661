"""The rows of the report, as JSON and as CSV."""

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from order_service.pricing.rates import RateOut
from order_service.pricing.tax import TaxNote
from order_service.tax_report.models import Key, Sums
from service_kit.csv_lines import csv_lines


class TaxReportRow(BaseModel):
    """`gross` is `net` + `tax`. Amounts are in the currency's minor unit."""

    month: str = Field(pattern=r"^\d{4}-\d{2}$", description="in UTC: of the payment, or of the refund")
    country: str = Field(description="to which the order went")
    currency: str
    rate: RateOut
    tax_note: TaxNote | None = Field(description="why there is no tax; null: there is, or no taxes were configured")
    kind: Literal["sales", "refunds"]
    net: int
    tax: int
    gross: int

    @classmethod
    def of(cls, row: tuple[Key, Sums]) -> Self:
        key, sums = row
        return cls.model_validate(key._asdict() | {"net": sums.gross - sums.tax, "tax": sums.tax, "gross": sums.gross})


class TaxReport(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "month": "2026-11", "country": "GB", "currency": "GBP", "rate": "0.20", "tax_note": None,
                            "kind": "sales", "net": 100000, "tax": 20000, "gross": 120000,
                        }
                    ]
                }
            ]
        }
    )  # fmt: skip

    items: list[TaxReportRow] = Field(description="sorted by month, country, currency and rate")

    @classmethod
    def of(cls, rows: Sequence[tuple[Key, Sums]]) -> Self:
        return cls(items=[TaxReportRow.of(row) for row in rows])

    def as_csv(self) -> str:
        """RFC 4180, with a header."""
        return csv_lines([TaxReportRow.model_fields, *(row.model_dump().values() for row in self.items)])
