"""The tax report: what was sold and what was refunded in each month, by country and rate."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from hypothesis import example, given
from hypothesis import strategies as st

from order_service.orders.models import HistoryEntry, Order, OrderLine
from order_service.payments.models import Payment, Refund
from order_service.returns.models import Return
from order_service.tax_report.models import (
    Line,
    MoneyMoved,
    ReceivedReturn,
    RefundedOrder,
    ReturnedPieces,
    ShippingTax,
    Taken,
)
from order_service.tests.conftest import Shop
from service_kit.ids import uuid7

JANUARY, FEBRUARY, MARCH = (datetime(2026, month, 10, 12, tzinfo=UTC) for month in (1, 2, 3))
PERIOD = {"from": "2026-01-01", "to": "2026-04-01"}
STANDARD, REDUCED = 200_000, 50_000
HOUR = timedelta(hours=1)


class Books:
    """Writes orders as placing them stores them, with the payments, refunds and returns that a test needs."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    async def add(self, *rows: Any) -> None:
        async with self.shop.runtime.database.session() as session:
            for row in rows:
                session.add(row)
                await session.flush()

    async def sold(
        self,
        at: datetime,
        *lines: tuple[int, int, int, int],
        shipping: Sequence[tuple[int, int, int]] = (),
        country: str = "GB",
        more: int = 0,
        **fields: Any,
    ) -> UUID:
        """An order with lines of (quantity, total, tax, rate) and shipping of (rate, net, tax), paid at this time.
        `more`: untaxed shipping."""
        taxes = [{"rate": rate, "net": net, "tax": tax} for rate, net, tax in shipping]
        total = more + sum(line[1] for line in lines) + sum(net + tax for _, net, tax in shipping)
        order = Order(
            customer_id=self.shop.customer.user_id, status="paid", fulfilment_status="preparing", total=total,
            currency=fields.pop("currency", "GBP"), tax=sum(line[2] for line in lines), pay_by=at,
            shipping={"method": "post", "total": total, "taxes": taxes} if taxes or more else None,
            ship_to={"name": "Ada", "line1": "1", "city": "A", "country": country}, status_since=at, version=3,
            **fields,
        )  # fmt: skip
        await self.add(order)
        await self.add(
            *(
                OrderLine(order_id=order.id, position=position, product_id=uuid4(), sku="A", name="A", quantity=pieces,
                          unit_price=line_total // pieces, tax=tax, tax_rate=rate, total=line_total)
                for position, (pieces, line_total, tax, rate) in enumerate(lines, 1)
            ),
            *(
                HistoryEntry(order_id=order.id, version=version, at=at, trigger=trigger, from_status=before,
                             to_status="paid", actor="payments", actor_id=None, reason=None, details=None)
                for version, trigger, before in ((3, "captured in full", "awaiting_payment"), (4, "other", "paid"))
            ),
        )  # fmt: skip
        await self.pays(order.id, total, at - HOUR)
        return order.id

    async def pays(self, order_id: UUID, amount: int, at: datetime) -> Payment:
        payment = Payment(
            order_id=order_id, customer_id=self.shop.customer.user_id, amount=amount, currency="GBP",
            status="succeeded", gateway="sandbox", settled_at=at, created_at=at,
        )  # fmt: skip
        await self.add(payment)
        return payment

    async def refunded(self, order_id: UUID, amount: int, at: datetime, **fields: Any) -> None:
        payment = await self.shop.execute("SELECT id FROM payments WHERE order_id = $1 LIMIT 1", order_id)
        kept = {"payment_id": payment, "currency": "GBP", "status": "succeeded", "gateway": "sandbox", **fields}
        await self.add(Refund(order_id=order_id, amount=amount, settled_at=at, created_at=JANUARY, **kept))

    async def returned(self, order_id: UUID, at: datetime, **pieces: int) -> UUID:
        """`pieces`: how many of each line, such as `line_1=2`."""
        lines = [{"position": int(name[5:]), "quantity": count, "received": count} for name, count in pieces.items()]
        row = Return(
            order_id=order_id, customer_id=self.shop.customer.user_id, status="received", currency="GBP", lines=lines,
            received_at=at,
        )  # fmt: skip
        await self.add(row)
        return row.id

    async def report(self, **params: str) -> list[tuple[Any, ...]]:
        """Rows of month, country, rate, kind, net, tax."""
        answer = await self.shop.staff.get("/tax/report", params={**PERIOD, **params})
        assert answer.status_code == 200, answer.text
        items = answer.json()["items"]
        assert all(item["gross"] == item["net"] + item["tax"] for item in items)
        return [tuple(item[name] for name in ("month", "country", "rate", "kind", "net", "tax")) for item in items]


async def test_sales_are_summed_by_month_country_and_rate(shop: Shop) -> None:
    books = Books(shop)
    await books.sold(JANUARY, (2, 1200, 200, STANDARD), (1, 1050, 50, REDUCED))
    await books.sold(JANUARY, (1, 600, 100, STANDARD), shipping=[(STANDARD, 500, 100)])
    await books.sold(FEBRUARY, (1, 600, 100, STANDARD), country="FR")
    await books.sold(datetime(2026, 4, 1, tzinfo=UTC), (1, 600, 100, STANDARD))
    await books.sold(datetime(2025, 12, 31, 23, 59, tzinfo=UTC), (1, 600, 100, STANDARD))
    unpaid = await shop.accepted()
    assert (await shop.order(unpaid))["status"] == "awaiting_payment"
    assert await books.report() == [
        ("2026-01", "GB", "0.20", "sales", 2000, 400),
        ("2026-01", "GB", "0.05", "sales", 1000, 50),
        ("2026-02", "FR", "0.20", "sales", 500, 100),
    ]
    assert await books.report(country="FR") == [("2026-02", "FR", "0.20", "sales", 500, 100)]
    assert await books.report(currency="EUR") == []


async def test_an_order_that_the_service_has_placed_and_a_payment_has_paid_is_a_sale(shop: Shop) -> None:
    await shop.paid()
    now = datetime.now(UTC)
    period = {"from": f"{now:%Y-%m-01}", "to": f"{now + timedelta(days=32):%Y-%m-01}"}
    assert await Books(shop).report(**period) == [(f"{now:%Y-%m}", "GB", "0.00", "sales", 2000, 0)]


async def test_what_has_no_tax_is_a_sale_at_rate_0_with_its_reason(shop: Shop) -> None:
    books = Books(shop)
    await books.sold(JANUARY, (1, 1000, 0, 0), tax_note="reverse_charge", country="DE")
    await books.sold(JANUARY, (1, 1000, 0, 0), tax_note="none", country="US", more=400)
    await shop.execute("UPDATE order_lines SET total = NULL")
    rows = (await shop.staff.get("/tax/report", params=PERIOD)).json()["items"]
    assert [(row["country"], row["tax_note"], row["gross"]) for row in rows] == [
        ("DE", "reverse_charge", 1000),
        ("US", "none", 1400),
    ]


async def test_a_return_takes_the_tax_of_its_pieces(shop: Shop) -> None:
    """The second worked case of `pricing`: seven pieces for 9.01 with 1.50 of tax."""
    books = Books(shop)
    order_id = await books.sold(JANUARY, (7, 901, 150, STANDARD), (1, 1000, 0, 0))
    for number, amount in enumerate((129, 128, 129, 129, 129, 128, 129)):
        at = FEBRUARY + number * HOUR
        await books.refunded(order_id, amount, at, return_id=await books.returned(order_id, at, line_1=1))
        [*_, (month, _, rate, kind, net, tax)] = await books.report(**{"from": "2026-02-01"})
        assert (month, rate, kind, net + tax) == (
            "2026-02",
            "0.20",
            "refunds",
            [129, 257, 386, 515, 644, 772, 901][number],
        )
        assert tax == [21, 43, 64, 86, 107, 129, 150][number]


async def test_a_refund_without_a_return_takes_tax_in_proportion(shop: Shop) -> None:
    books = Books(shop)
    order_id = await books.sold(JANUARY, (1, 1200, 200, STANDARD), (1, 600, 0, 0), shipping=[(STANDARD, 500, 100)])
    await books.refunded(order_id, 240, FEBRUARY)
    await books.refunded(order_id, 2160, MARCH)
    assert (await books.report())[2:] == [
        ("2026-02", "GB", "0.20", "refunds", 150, 30),
        ("2026-02", "GB", "0.00", "refunds", 60, 0),
        ("2026-03", "GB", "0.20", "refunds", 1350, 270),
        ("2026-03", "GB", "0.00", "refunds", 540, 0),
    ]


async def test_only_refunds_that_were_made_are_counted_once(shop: Shop) -> None:
    books = Books(shop)
    order_id = await books.sold(JANUARY, (1, 1200, 200, STANDARD))
    await books.refunded(order_id, 600, FEBRUARY, status="failed")
    await books.refunded(order_id, 600, FEBRUARY, status="requested")
    await books.refunded(order_id, 600, FEBRUARY, currency="EUR")
    await books.refunded(order_id, 300, MARCH + 40 * 24 * HOUR)
    assert await books.report() == [("2026-01", "GB", "0.20", "sales", 1000, 200)]


async def test_a_second_payment_and_its_refund_have_no_tax(shop: Shop) -> None:
    books = Books(shop)
    order_id = await books.sold(JANUARY, (1, 1200, 200, STANDARD))
    await books.pays(order_id, 1200, JANUARY + HOUR)
    await books.refunded(order_id, 1200, JANUARY + 2 * HOUR)
    assert await books.report() == [("2026-01", "GB", "0.20", "sales", 1000, 200)]
    await books.refunded(order_id, 600, FEBRUARY)
    assert (await books.report())[1:] == [("2026-02", "GB", "0.20", "refunds", 500, 100)]


async def test_more_refunds_than_a_batch_are_all_counted(shop: Shop) -> None:
    books = Books(shop)
    for number in range(205):
        order_id = await books.sold(JANUARY, (1, 120, 20, STANDARD))
        await books.refunded(order_id, 120, FEBRUARY + number * timedelta(minutes=1))
    assert await books.report() == [
        ("2026-01", "GB", "0.20", "sales", 20500, 4100),
        ("2026-02", "GB", "0.20", "refunds", 20500, 4100),
    ]


async def test_the_report_is_a_file_too(shop: Shop) -> None:
    await Books(shop).sold(JANUARY, (1, 1200, 200, STANDARD))
    answer = await shop.staff.get("/tax/report", params={**PERIOD, "format": "csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert "taxes-2026-01-01-2026-04-01.csv" in answer.headers["content-disposition"]
    assert list(csv.DictReader(io.StringIO(answer.text))) == [
        {"month": "2026-01", "country": "GB", "currency": "GBP", "rate": "0.20", "tax_note": "", "kind": "sales",
         "net": "1000", "tax": "200", "gross": "1200"}
    ]  # fmt: skip


async def test_a_period_is_a_year_at_most(shop: Shop) -> None:
    for period in (
        {"from": "2026-01-01"}, {"from": "2026-01-01", "to": "2026-01-01"}, {"from": "2026-01-01", "to": "2027-02-01"},
        {"from": "2026-02-01", "to": "2026-01-01"}, {"from": "1999-01-01", "to": "1999-02-01"},
        {"from": "2026-01-01", "to": "2026-02-01", "format": "xml"},
        {"from": "2026-01-01", "to": "2026-02-01", "country": "UK"},
    ):  # fmt: skip
        assert (await shop.staff.get("/tax/report", params=period)).status_code == 422, period
    assert (await shop.customer.get("/tax/report", params=PERIOD)).status_code == 403


@st.composite
def orders(draw: st.DrawFn) -> RefundedOrder:
    """An order, returns of parts of it, and refunds that come to its total."""
    rates = st.sampled_from([0, REDUCED, STANDARD])
    lines = []
    for position in range(1, draw(st.integers(1, 4)) + 1):
        rate, total = draw(rates), draw(st.integers(0, 12) | st.integers(0, 5000))
        lines.append(Line(position, draw(st.integers(1, 9)), rate, total * rate // (1_000_000 + rate), total))
    shipping = [ShippingTax(rate, 100, 100 * rate // 1_000_000) for rate in draw(st.lists(rates, max_size=2))]
    total = sum(line.total for line in lines) + sum(part.net + part.tax for part in shipping)
    returns: list[ReceivedReturn] = []
    left = Counter({line.position: line.quantity for line in lines})
    for _ in range(draw(st.integers(0, 3))):
        position = draw(st.sampled_from(sorted(left)))
        pieces = draw(st.integers(0, left[position]))
        left[position] -= pieces
        returns.append(ReceivedReturn(uuid7(), (ReturnedPieces(position, pieces),)))
    moved = [MoneyMoved(JANUARY - HOUR, total, is_refund=False)]
    missing = total
    while missing:
        amount = draw(st.integers(1, missing)) if len(moved) < 8 else missing
        return_id = draw(st.sampled_from([None, *(each.id for each in returns)]))
        moved.append(MoneyMoved(FEBRUARY + len(moved) * HOUR, amount, is_refund=True, return_id=return_id))
        missing -= amount
    words = uuid7(), "GBP", "GB", None, total, JANUARY
    return RefundedOrder(*words, tuple(lines), tuple(shipping), tuple(returns), tuple(moved))


def _sums(parts: Sequence[Taken]) -> dict[int, tuple[int, int]]:
    found: dict[int, tuple[int, int]] = {}
    for rate, gross, tax in parts:
        before = found.get(rate, (0, 0))
        found[rate] = before[0] + gross, before[1] + tax
    return {rate: sums for rate, sums in found.items() if sums != (0, 0)}


def _small() -> RefundedOrder:
    """Its tax is in the last line, while the returns of the other lines, which have none, take what is left."""
    lines = tuple(Line(n, 1, STANDARD, tax, total) for n, (total, tax) in enumerate([(5, 0), (5, 0), (5, 0), (10, 1)]))
    returns = tuple(ReceivedReturn(uuid7(), (ReturnedPieces(n, 1),)) for n in range(3))
    refunds = [(12, None), (5, returns[0].id), (5, returns[1].id), (3, returns[2].id)]
    moved = (
        MoneyMoved(JANUARY - HOUR, 25, is_refund=False),
        *(MoneyMoved(FEBRUARY, amount, is_refund=True, return_id=of) for amount, of in refunds),
    )
    return RefundedOrder(uuid7(), "GBP", "GB", None, 25, JANUARY, lines, (), returns, moved)


@given(orders())
@example(_small())
def test_the_refunds_of_a_whole_order_have_exactly_its_taxes(order: RefundedOrder) -> None:
    refunds = list(order.refunds())
    amounts = [each.amount for each in order.moved if each.is_refund]
    assert [sum(part.gross for part in parts) for _, parts in refunds] == amounts
    assert all(part.gross >= 0 and part.tax >= 0 for _, parts in refunds for part in parts)
    sold = [Taken(line.tax_rate, line.total, line.tax) for line in order.lines]
    sold += [Taken(part.rate, part.net + part.tax, part.tax) for part in order.shipping_taxes]
    assert _sums([part for _, parts in refunds for part in parts]) == _sums(sold)
