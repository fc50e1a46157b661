"""The tax report over HTTP."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal

from fastapi import Query, Response

from order_service.tax_report import use_cases
from order_service.tax_report.queries import Wanted
from order_service.tax_report.schemas import TaxReport
from service_kit.http.router import Router
from service_kit.http.sessions import Connection
from service_kit.iso_codes import Country, Currency
from service_kit.problems import ValidationFailed
from service_kit.security import Principal, Requires

LONGEST = timedelta(days=366)

router = Router(prefix="/tax/report", tags=["taxes"])


@router.get(
    "",
    summary="Get the tax report",
    response_model=TaxReport,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def read_report(
    db: Connection,
    _: Annotated[Principal, Requires("tax:manage")],
    since: Annotated[date, Query(alias="from", ge=date(2000, 1, 1), description="the first day, in UTC")],
    until: Annotated[date, Query(alias="to", lt=date(2200, 1, 1), description="the day after the last one, in UTC")],
    currency: Annotated[Currency | None, Query()] = None,
    country: Annotated[Country | None, Query(description="to which the orders went")] = None,
    format: Annotated[Literal["json", "csv"], Query()] = "json",
) -> Response:
    """Net amounts, tax and gross amounts by month, country and rate, of a year at most.

    `sales`: orders whose payment was complete in the period, with the taxes that they were placed with, whatever became
    of them. `refunds`: what was paid back in the period, by the day on which the gateway confirmed it, of orders that
    had been paid. The refund of a return has the tax of the returned pieces; any other refund has tax in proportion to
    what is left of the order. Money that was paid beyond the total, and its refund, is in neither.
    """
    if not timedelta(0) < until - since <= LONGEST:
        raise ValidationFailed.of("to", f"must be after `from`, by {LONGEST.days} days at most", "query")
    began, ended = (datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (since, until))
    found = TaxReport.of(await use_cases.report(db, Wanted(began, ended, currency, country)))
    if format == "json":
        return Response(found.model_dump_json(), media_type="application/json")
    headers = {"Content-Disposition": f'attachment; filename="taxes-{since}-{until}.csv"'}
    return Response(found.as_csv(), headers=headers, media_type="text/csv")
