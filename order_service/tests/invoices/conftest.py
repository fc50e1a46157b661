"""An order service that issues invoices."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest

from order_service.invoices import jobs
from order_service.orders.models import FulfilmentStatus, Order, OrderLine, Status
from order_service.payments import queries as payments
from order_service.payments.models import Payment, PaymentState, RefundReport, RefundState
from order_service.payments.refund_settlement import settle
from order_service.tests.conftest import SHIP_TO, Shop, secrets
from order_service.tests.invoices.stored import SELLER
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from tests.harness.service import serve


class InvoicingShop(Shop):
    """Orders are inserted as they are stored when their stock is reserved."""

    async def awaiting_payment(self, *lines: dict[str, Any], count: int = 1, **columns: Any) -> list[UUID]:
        """`lines`: columns of the order's lines; by default one mug at 1200, tax 200 of 20 % included."""
        parts = lines or ({"unit_price": 1200, "tax": 200, "tax_rate": 200_000},)
        now = utcnow()
        orders = [
            Order(
                id=uuid7(), customer_id=self.customer.user_id,
                fulfilment_status=FulfilmentStatus.UNFULFILLED, pay_by=now, created_at=now, status_since=now, version=1,
                **{"status": Status.AWAITING_PAYMENT, "currency": "GBP", "ship_to": SHIP_TO, **columns},
            )
            for _ in range(count)
        ]  # fmt: skip
        async with self.runtime.database.session() as tx:
            for order in orders:
                made = [_line(order.id, position, **each) for position, each in enumerate(parts, 1)]
                shipping = order.shipping or {"total": 0, "tax": 0}
                order.total = sum(line.total or 0 for line in made) + shipping["total"]
                order.tax = sum(line.tax for line in made) + shipping["tax"]
                tx.add(order)
                tx.add_all(made)
        return [order.id for order in orders]

    async def pay(self, order_id: UUID) -> None:
        """The whole total is captured, by one payment."""
        total: int = await self.execute("SELECT total FROM orders WHERE id = $1", order_id)
        if total:
            payment = Payment(
                order_id=order_id, customer_id=self.customer.user_id, amount=total,
                currency=await self.execute("SELECT currency FROM orders WHERE id = $1", order_id), gateway="cards",
                gateway_charge_id=f"ch_{uuid4().hex}", status=PaymentState.SUCCEEDED, settled_at=utcnow(),
            )  # fmt: skip
            async with self.runtime.database.session() as tx:
                tx.add(payment)
        await self.capture(order_id, total)

    async def invoiced(self, *lines: dict[str, Any], **columns: Any) -> UUID:
        """A paid order with its invoice."""
        [order_id] = await self.awaiting_payment(*lines, **columns)
        await self.pay(order_id)
        await self.issue()
        return order_id

    async def issue(self) -> None:
        while await jobs.issue(self.runtime):
            pass

    async def refund_by_staff(self, order_id: UUID, amount: int) -> None:
        payment_id = await self.execute("SELECT id FROM payments WHERE order_id = $1", order_id)
        answer = await self.staff.post(
            f"/payments/{payment_id}/refunds", json={"amount": amount}, headers={"Idempotency-Key": str(uuid4())}
        )
        assert answer.status_code == 202, answer.text

    async def settle_refunds(self, order_id: UUID) -> None:
        """The gateway carries out all requested refunds of the order."""
        async with self.runtime.database.transaction() as tx:
            for refund in (await payments.account(tx, order_id)).refunds:
                if refund.status == RefundState.REQUESTED:
                    ids = (refund.id, refund.payment_id, order_id)
                    await settle(
                        tx, RefundReport(*ids, refund.gateway, RefundState.SUCCEEDED, refund.amount, refund.currency)
                    )

    async def invoices(self, order_id: UUID) -> list[dict[str, Any]]:
        """The contents of the order's invoice and credit notes, the earliest first."""
        async with self.runtime.database.connection() as connection:
            rows = await connection.fetch(
                "SELECT content FROM invoices WHERE order_id = $1 ORDER BY issued_at, series DESC, number", order_id
            )
        return [row["content"] for row in rows]

    async def numbers(self, series: str) -> list[int]:
        async with self.runtime.database.connection() as connection:
            rows = await connection.fetch("SELECT number FROM invoices WHERE series = $1 ORDER BY number", series)
        return [row["number"] for row in rows]


def _line(order_id: UUID, position: int, *, unit_price: int, quantity: int = 1, **more: Any) -> OrderLine:
    total = more.pop("total", unit_price * quantity - more.get("discount", 0))
    return OrderLine(
        order_id=order_id, position=position, product_id=uuid4(), sku=more.pop("sku", f"SKU{position}"),
        name=more.pop("name", "A mug"), quantity=quantity, unit_price=unit_price, total=total, **more,
    )  # fmt: skip


@asynccontextmanager
async def invoicing_shop(**settings: Any) -> AsyncIterator[InvoicingShop]:
    async with serve("order_service", limits=False, **secrets(), **{**SELLER, **settings}) as served:
        await jobs.apply_policy(served.runtime)
        yield InvoicingShop(served)


@pytest.fixture
async def shop() -> AsyncIterator[InvoicingShop]:
    async with invoicing_shop() as shop:
        yield shop
