"""The sandbox gateway in its own process, and an order service that it can reach."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import httpx
import pytest

from local_stack import ports
from order_service.orders.models import FulfilmentStatus, Order, OrderLine
from order_service.payments.gateways.registry import Gateways
from order_service.payments.gateways.sandbox import SandboxGateway
from order_service.payments.jobs import carry_out_refunds, pay_by_tokens, reconcile_payments
from order_service.payments.models import Payment
from sandbox.tests.processes import Process
from service_kit.clock import utcnow
from service_kit.runtime import Runtime
from tests.harness.server import listening
from tests.harness.service import Caller, Served, serve

API_KEY = "key-of-these-tests"
SECRET = "secret-of-these-tests"
TOTAL = 1000
TIMEOUT_SECONDS = 20.0
SHIP_TO = {"name": "Ada", "line1": "1 Mill Lane", "city": "London", "country": "GB"}
T = TypeVar("T")


@dataclass
class GatewayProcess:
    """The sandbox, and the port to which it sends its webhooks."""

    process: Process
    webhook_port: int
    client: httpx.Client

    def charges(self, order_id: UUID) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.client.get("/charges", params={"reference": str(order_id)}).json()["items"]
        return found

    def answer(self, payment: dict[str, Any], answer: str) -> None:
        """The customer answers (`confirm` or `reject`) on the page that a payment leads to."""
        url = payment["next_action"]["url"].replace("localhost", "127.0.0.1")
        assert httpx.post(f"{url}/{answer}", timeout=15).status_code == 303

    def refunds(self, order_id: UUID) -> list[dict[str, Any]]:
        """Everything that the gateway refunded for an order."""
        return [
            refund
            for charge in self.charges(order_id)
            for refund in self.client.get("/refunds", params={"charge_id": charge["id"]}).json()["items"]
        ]


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """One for all tests of a process: each test looks only at the charges of its own orders."""
    port, webhook_port = ports.lease(2)
    directory: Path = tmp_path_factory.mktemp("gateway")
    environment = {
        "SANDBOX_GATEWAY_PORT": str(port),
        "SANDBOX_DATA_DIR": str(directory / "data"),
        "GATEWAY_API_KEY": API_KEY,
        "GATEWAY_WEBHOOK_SECRET": SECRET,
        "GATEWAY_WEBHOOK_URL": f"http://127.0.0.1:{webhook_port}/payments/webhooks/sandbox",
        "SANDBOX_LATE_DELAY": "0.5",
        "SANDBOX_DUPLICATE_DELAY": "0.2",
        "SANDBOX_WEBHOOK_RETRY_LONGEST": "0.3",
    }
    process = Process("sandbox.gateway", port, environment, directory / "gateway.log").start()
    with httpx.Client(base_url=process.url, headers={"Authorization": f"Bearer {API_KEY}"}, timeout=15) as client:
        yield GatewayProcess(process, webhook_port, client)
    process.kill()
    ports.release([port, webhook_port])


class Shop:
    """An order service under test, with orders that await payment."""

    def __init__(self, served: Served, gateway: GatewayProcess) -> None:
        self.served = served
        self.runtime: Runtime = served.runtime
        self.gateway = gateway
        self.customer = served.caller()
        self.staff = served.caller(role="SubAdmin")

    async def order(self, status: str = "awaiting_payment", total: int = TOTAL, token: str | None = None) -> UUID:
        """The customer's order, inserted with this status."""
        now = utcnow()
        order = Order(  # type: ignore[call-arg]  # the database gives the number
            customer_id=self.customer.user_id,
            status=status,
            fulfilment_status=FulfilmentStatus.UNFULFILLED,
            currency="GBP",
            total=total,
            pay_by=now,
            ship_to=SHIP_TO,
            created_at=now,
            status_since=now,
            version=1,
        )
        async with self.runtime.database.session() as tx:
            tx.add(order)
            tx.add(
                OrderLine(
                    order_id=order.id,
                    position=1,
                    product_id=uuid4(),
                    sku="A1",
                    name="Mug",
                    quantity=1,
                    unit_price=total,
                )
            )
        if token:
            keep = "INSERT INTO payment_tokens (order_id, token, created_at) VALUES ($1, $2, $3)"
            await self.execute(keep, order.id, token, now)
        return order.id

    async def pay(
        self, order_id: UUID, token: str = "tok_ok", key: str | None = None, by: Caller | None = None
    ) -> httpx.Response:
        return await (by or self.customer).post(
            f"/orders/{order_id}/payments",
            json={"token": token},
            headers={"Idempotency-Key": key or str(uuid4())},
        )

    async def refund(self, payment_id: str, amount: int | None = None, key: str | None = None) -> httpx.Response:
        return await self.staff.post(
            f"/payments/{payment_id}/refunds",
            json={"amount": amount} if amount is not None else {},
            headers={"Idempotency-Key": key or str(uuid4())},
        )

    async def paid(self, total: int = TOTAL) -> tuple[UUID, dict[str, Any]]:
        """An order that was paid, and its payment; without any webhook."""
        order_id = await self.order(total=total)
        opened = (await self.pay(order_id)).json()
        return order_id, await self.verified(opened["id"])

    async def verified(self, payment_id: str) -> dict[str, Any]:
        """The payment, after the gateway has decided it and `verify` has settled it."""

        async def settled() -> dict[str, Any] | None:
            await self.forget_calls()
            found = await self.customer.post(f"/payments/{payment_id}/verify")
            assert found.status_code == 200, found.text
            payment: dict[str, Any] = found.json()
            return payment if payment["settled_at"] else None

        return await eventually(settled)

    async def payments(self, order_id: UUID) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = (await self.customer.get(f"/orders/{order_id}/payments")).json()["items"]
        return items

    async def refunds(self, order_id: UUID) -> list[dict[str, Any]]:
        found = await self.staff.get("/refunds", params={"order_id": str(order_id), "limit": 100})
        items: list[dict[str, Any]] = found.json()["items"]
        return items

    async def tokens(self) -> list[UUID]:
        """The orders that have a stored token."""
        async with self.runtime.database.connection() as connection:
            return [row[0] for row in await connection.fetch("SELECT order_id FROM payment_tokens")]

    async def state(self, order_id: UUID) -> Order:
        async with self.runtime.database.session() as tx:
            order = await tx.get(Order, order_id)
        assert order is not None
        return order

    async def set_status(self, order_id: UUID, status: str) -> None:
        await self.execute("UPDATE orders SET status = $2 WHERE id = $1", order_id, status)

    async def forget_calls(self) -> None:
        """Makes all open payments and refunds due, as if every call to the gateway had ended."""
        await self.execute("UPDATE payments SET call_until = now(), check_at = now() WHERE settled_at IS NULL")
        await self.execute("UPDATE refunds SET next_attempt_at = now() WHERE status = 'requested'")

    async def reconcile(self) -> None:
        await self.forget_calls()
        await reconcile_payments(self.runtime)

    async def pay_by_tokens(self) -> None:
        await pay_by_tokens(self.runtime)

    async def carry_out_refunds(self) -> None:
        """Runs the job until the gateway has carried out all of them."""

        async def all_done() -> bool:
            await self.forget_calls()
            await carry_out_refunds(self.runtime)
            async with self.runtime.database.connection() as connection:
                return not await connection.fetchval("SELECT count(*) FROM refunds WHERE status = 'requested'")

        await eventually(all_done)

    async def execute(self, sql: str, *values: Any) -> None:
        async with self.runtime.database.connection() as connection:
            await connection.execute(sql, *values)

    async def webhook(self, event: dict[str, Any], **changes: Any) -> httpx.Response:
        """Sends an event as the gateway would; `changes`: another secret, or time of signing."""
        body = json.dumps(event)
        headers = {"Webhook-Signature": signature(body, **changes), "Content-Type": "application/json"}
        return await self.served.anonymous.post("/payments/webhooks/sandbox", content=body, headers=headers)

    def listening(self) -> AbstractAsyncContextManager[None]:
        """While it is open, the gateway's webhooks arrive."""
        return listening(self.served.app, self.gateway.webhook_port)


def signature(body: str, secret: str = SECRET, at: float | None = None) -> str:
    stamp = int(time.time() if at is None else at)
    digest = hmac.new(secret.encode(), f"{stamp}.{body}".encode(), hashlib.sha256).hexdigest()
    return f"t={stamp},v1={digest}"


def charge_event(payment: Payment | dict[str, Any], status: str, **changes: Any) -> dict[str, Any]:
    """`charge.<status>` about a payment as our API shows it."""
    found = payment if isinstance(payment, dict) else payment.model_dump()
    charge = {
        "id": found["gateway_charge_id"] or f"ch_{uuid4().hex}",
        "status": {"failed": "declined"}.get(status, status),
        "amount": found["amount"]["amount"],
        "currency": found["amount"]["currency"],
        "reference": found["order_id"],
        "idempotency_key": f"payment-{found['id']}",
        "failure_reason": "card_declined" if status == "failed" else None,
        **changes,
    }
    return {"id": f"evt_{uuid4().hex}", "type": f"charge.{status}", "created": 1, "data": {"charge": charge}}


async def eventually(condition: Callable[[], Awaitable[T | None]]) -> T:
    """The condition's first true value."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while not (value := await condition()):
            await asyncio.sleep(0.02)
    return value


@pytest.fixture
async def shop(gateway: GatewayProcess) -> AsyncIterator[Shop]:
    async with serve(
        "order_service",
        gateway_url=gateway.process.url,
        gateway_api_key=API_KEY,
        gateway_webhook_secret=SECRET,
        gateway_timeout_seconds=5,
    ) as served:
        yield Shop(served, gateway)


@pytest.fixture
def our_gateway(shop: Shop) -> SandboxGateway:
    """The service's client of the gateway, so that a test can make it fail."""
    gateway = shop.runtime.resource(Gateways).default
    assert isinstance(gateway, SandboxGateway)
    return gateway
