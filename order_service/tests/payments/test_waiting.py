"""`POST /orders` with `Prefer: wait=N` and a payment token: the response comes when the payment is decided."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest

from contracts.events.inventory_deduction import ReservationAccepted
from order_service.orders import watch
from order_service.tests.conftest import Shop as OrderShop
from order_service.tests.payments.conftest import API_KEY, SECRET, GatewayProcess, Shop, eventually
from service_kit.clock import utcnow
from tests.harness.service import serve

KEY = "the-key"


@pytest.fixture
async def shop(gateway: GatewayProcess) -> AsyncIterator[Shop]:
    """A service that charges tokens. It gets no webhooks, so a charge is settled when a test reconciles it."""
    async with serve(
        "order_service", service_role="all", gateway_url=gateway.process.url, gateway_api_key=API_KEY,
        gateway_webhook_secret=SECRET, gateway_timeout_seconds=5,
    ) as served:  # fmt: skip
        yield Shop(served, gateway)


@pytest.fixture
def no_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only signals wake the waiting requests."""
    monkeypatch.setattr(watch, "SHORTEST_POLL", 3600.0)


class Placing:
    """An order that is being placed by a request that waits."""

    def __init__(self, shop: Shop, token: str, seconds: int = 30) -> None:
        self._shop = shop
        self._orders = OrderShop(shop.served)
        self._token, self._seconds = token, seconds

    async def begin(self) -> UUID:
        """The id of the order, as soon as it is stored; its stock is not reserved yet."""
        self._product = await self._orders.product()
        self.request = asyncio.create_task(self.send())
        return UUID(str(await eventually(lambda: self._orders.execute("SELECT id FROM orders"))))

    async def send(self) -> httpx.Response:
        return await self._orders.place(
            self._product, by=self._shop.customer, key=KEY, payment_token=self._token, prefer=f"wait={self._seconds}"
        )

    async def response(self) -> httpx.Response:
        """The response, while charges that the gateway has decided are settled."""

        async def done() -> bool:
            await self._shop.reconcile()
            return self.request.done()

        await eventually(done)
        return self.request.result()


async def accept(shop: Shop, order_id: UUID) -> None:
    await shop.served.deliver(ReservationAccepted(order_id=order_id, version=1, reserved_until=utcnow()))


@pytest.mark.usefixtures("no_poll")
@pytest.mark.parametrize(
    ("token", "status", "payment"),
    [
        ("tok_ok", "paid", "succeeded"),
        ("tok_declined", "awaiting_payment", "failed"),
        ("tok_action_required", "awaiting_payment", "action_required"),
    ],
)
async def test_the_response_shows_the_order_after_its_payment_is_decided(
    shop: Shop, token: str, status: str, payment: str
) -> None:
    placing = Placing(shop, token)
    order_id = await placing.begin()
    assert not placing.request.done()
    await accept(shop, order_id)
    response = await placing.response()
    assert (response.status_code, response.json()["status"]) == (201, status)
    assert [each["status"] for each in await shop.payments(order_id)] == [payment]
    read = await shop.customer.get(f"/orders/{order_id}")
    assert (read.content, read.headers["ETag"]) == (response.content, response.headers["ETag"])
    again = await placing.send()
    assert (again.content, again.headers["Idempotent-Replayed"]) == (response.content, "true")


async def test_a_wait_that_ends_before_the_payment_is_decided_shows_that_stock_is_reserved(shop: Shop) -> None:
    placing = Placing(shop, "tok_ok", seconds=1)
    order_id = await placing.begin()
    await accept(shop, order_id)
    async with asyncio.timeout(10):
        response = await placing.request
    assert (response.status_code, response.json()["status"]) == (201, "awaiting_payment")
    assert (await placing.send()).content == response.content


async def test_a_payment_that_another_process_decided_is_found(shop: Shop) -> None:
    placing = Placing(shop, "tok_ok")
    order_id = await placing.begin()
    await accept(shop, order_id)
    await eventually(lambda: shop.payments(order_id))
    assert not placing.request.done()
    await shop.execute("DELETE FROM payment_tokens WHERE order_id = $1", order_id)  # as settling a payment does
    async with asyncio.timeout(10):
        response = await placing.request
    assert response.json()["status"] == "awaiting_payment"
