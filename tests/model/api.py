"""A driver for the running order service: HTTP for customers and staff, signed webhooks, and consumers of events."""

from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar
from uuid import UUID, uuid4

from anyio.from_thread import BlockingPortal

from contracts.events import by_type
from contracts.events.base import Event
from contracts.events.inventory_deduction import InventoryRequest
from order_service.fulfilment import jobs
from order_service.tests.conftest import Shop as Orders
from order_service.tests.payments.conftest import GatewayProcess, charge_event
from order_service.tests.payments.conftest import Shop as Payments
from tests.harness.service import Served
from tests.model.driver import UNIT_PRICE, Message, Opened
from tests.model.expected import Charge, Observed, ObservedRefund, ObservedReturn

T = TypeVar("T")

OUTBOX = "SELECT type, value FROM outbox WHERE subject = $1 ORDER BY id"
DUE = "UPDATE orders SET pay_by = now() WHERE id = $1"
NOT_DUE = "UPDATE orders SET pay_by = now() + interval '1 day' WHERE id = $1"
WINDOW_OVER = "UPDATE orders SET delivered_at = delivered_at - interval '31 days' WHERE id = $1"


class Api:
    """Called from the thread of the state machine; the service runs in the portal's thread."""

    def __init__(self, portal: BlockingPortal, served: Served, gateway: GatewayProcess) -> None:
        self._portal = portal
        self._orders = Orders(served)
        self._payments = Payments(served, gateway)
        self._charge_ids: dict[UUID, str] = {}
        self._read: Counter[UUID] = Counter()

    def product(self) -> UUID:
        return self._do(self._orders.product, UNIT_PRICE)

    def place(self, lines: Counter[UUID]) -> UUID:
        wanted = [{"product_id": str(product), "quantity": count} for product, count in lines.items()]
        answer = self._do(self._orders.place, lines=wanted)
        assert answer.status_code == 201, answer.text
        return UUID(answer.json()["id"])

    def cancel(self, order_id: UUID, *, by_staff: bool) -> bool:
        caller = self._orders.staff if by_staff else self._orders.customer
        answer = self._do(caller.post, f"/orders/{order_id}/cancel")
        assert answer.status_code in {200, 202, 409}, answer.text
        return bool(answer.status_code != 409)

    def deliver(self, message: Message) -> None:
        self._do(self._orders.deliver, message.event, ids=[message.id])

    def pay_by_passes(self, order_id: UUID) -> None:
        self._do(self._orders.execute, DUE, order_id)
        self._do(jobs.expire, self._orders.runtime)
        self._do(self._orders.execute, NOT_DUE, order_id)

    def return_window_ends(self, order_id: UUID) -> None:
        self._do(self._orders.execute, WINDOW_OVER, order_id)
        self._do(jobs.complete, self._orders.runtime)

    def open_payment(self, order_id: UUID) -> Opened | None:
        """Pays by a card whose charge stays pending: the state machine determines the result."""
        answer = self._do(self._payments.pay, order_id, "tok_late", by=self._orders.customer)
        assert answer.status_code in {201, 409}, answer.text
        if answer.status_code == 409:
            return None
        payment = answer.json()
        opened = Opened(UUID(payment["id"]), payment["amount"]["amount"])
        self._charge_ids[opened.payment_id] = payment["gateway_charge_id"] or self._charged(order_id, opened.payment_id)
        return opened

    def charge_is(self, charge: Charge, *, succeeded: bool) -> None:
        payment = {
            "id": str(charge.id),
            "order_id": str(charge.order_id),
            "gateway_charge_id": self._charge_id(charge.id),
            "amount": {"amount": charge.amount, "currency": "GBP"},
        }
        self._webhook(charge_event(payment, "succeeded" if succeeded else "failed"))

    def ask_refund(self, order_id: UUID, payment_id: UUID, amount: int) -> bool:
        answer = self._do(self._payments.refund, str(payment_id), amount)
        assert answer.status_code in {202, 409}, answer.text
        return bool(answer.status_code == 202)

    def refund_is(self, order_id: UUID, refund: ObservedRefund, *, succeeded: bool) -> None:
        status = "succeeded" if succeeded else "failed"
        published = {
            "id": f"re_{refund.id}",
            "charge_id": self._charge_id(refund.payment_id),
            "status": status,
            "amount": refund.amount,
            "currency": "GBP",
            "idempotency_key": f"refund-{refund.id}",
        }
        event = {"id": f"evt_{uuid4().hex}", "type": f"refund.{status}", "created": 1, "data": {"refund": published}}
        self._webhook(event)

    def ask_return(self, order_id: UUID, pieces: Counter[UUID]) -> UUID | None:
        lines = [{"product_id": str(product), "quantity": count} for product, count in pieces.items()]
        answer = self._do(
            self._orders.customer.post,
            f"/orders/{order_id}/returns",
            json={"lines": lines, "reason": "too small"},
            headers={"Idempotency-Key": str(uuid4())},
        )
        assert answer.status_code in {201, 409}, answer.text
        return UUID(answer.json()["id"]) if answer.status_code == 201 else None

    def decide_return(self, order_id: UUID, return_id: UUID, decision: str) -> bool:
        caller = self._orders.customer if decision == "withdraw" else self._orders.staff
        answer = self._do(caller.post, f"/returns/{return_id}/{decision}", json={"reason": "worn"})
        assert answer.status_code in {200, 409}, answer.text
        return bool(answer.status_code == 200)

    def observe(self, order_id: UUID) -> Observed:
        order = self._do(self._payments.state, order_id)
        history = self._do(self._orders.history, order_id)
        refunds = self._do(self._payments.refunds, order_id)
        back = self._do(self._orders.customer.get, f"/orders/{order_id}/returns", params={"limit": 100})
        return Observed(
            status=order.status,
            payment_status=str(order.payment_status),
            fulfilment_status=order.fulfilment_status,
            version=order.version,
            captured=order.captured,
            refunded=order.refunded,
            refunds=tuple(_refund(each) for each in refunds),
            returns=tuple(_return(each) for each in back.json()["items"]),
            emitted=tuple(
                (event.type.removeprefix("mart.").removesuffix(".v1"), event.version)
                for event in self._emitted(order_id)
            ),
            history=tuple(sorted((each["version"], each["from_status"], each["to_status"]) for each in history)),
        )

    def requests(self, order_id: UUID) -> list[InventoryRequest]:
        asked = [event for event in self._emitted(order_id) if isinstance(event, InventoryRequest)]
        new = asked[self._read[order_id] :]
        self._read[order_id] = len(asked)
        return new

    def _emitted(self, order_id: UUID) -> list[Event]:
        rows = self._do(_rows, self._orders, OUTBOX, str(order_id))
        emitted = []
        for type, value in rows:
            model = by_type(type)
            assert model is not None
            emitted.append(model.model_validate_json(value, strict=False))
        return emitted

    def _webhook(self, event: dict[str, Any]) -> None:
        answer = self._do(self._payments.webhook, event)
        assert answer.status_code == 204, answer.text

    def _charged(self, order_id: UUID, payment_id: UUID) -> str:
        """The charge whose response was lost or late: the gateway knows it if it received the request."""
        key = f"payment-{payment_id}"
        found = [each["id"] for each in self._payments.gateway.charges(order_id) if each["idempotency_key"] == key]
        return next(iter(found), f"ch_{payment_id}")

    def _charge_id(self, payment_id: UUID) -> str:
        return self._charge_ids.get(payment_id, f"ch_{payment_id}")

    def _do(self, what: Callable[..., Awaitable[T]], *args: Any, **named: Any) -> T:
        return self._portal.call(partial(what, *args, **named))


async def _rows(orders: Orders, sql: str, *values: Any) -> list[tuple[str, bytes]]:
    async with orders.runtime.database.connection() as connection:
        return [tuple(row) for row in await connection.fetch(sql, *values)]


def _refund(found: dict[str, Any]) -> ObservedRefund:
    return ObservedRefund(UUID(found["id"]), UUID(found["payment_id"]), found["amount"]["amount"], found["status"])


def _return(found: dict[str, Any]) -> ObservedReturn:
    refund_made = found["refund"]["amount"] if found["refund"] else None
    return ObservedReturn(UUID(found["id"]), found["status"], refund_made)
