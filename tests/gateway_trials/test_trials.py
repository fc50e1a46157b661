"""40 trials, or 500 in the long test: no duplicate charge, no money without a payment, none kept without an order."""

import asyncio
import random
from collections import Counter
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.events.inventory_deduction import ReservationReleased
from order_service.fulfilment import jobs
from order_service.orders.models import UNWANTED
from order_service.payments.gateways.registry import Gateways
from order_service.tests.conftest import Shop as Orders
from order_service.tests.payments.conftest import API_KEY, SECRET, TOTAL, GatewayProcess, Shop, eventually
from tests.gateway_trials.faults import CallFaults, Crash, WebhookFaults
from tests.harness.server import listening
from tests.harness.service import serve

TOKENS = (
    *("tok_ok", "tok_ok", "tok_late", "tok_duplicate", "tok_lost_answer", "tok_slow_answer", "tok_reversed"),
    *("tok_no_webhook", "tok_declined", "tok_authorised", "tok_authorised", "tok_action_required"),
)
AT_ONCE = 10
OPEN = """
SELECT (SELECT count(*) FROM payments WHERE settled_at IS NULL)
     + (SELECT count(*) FROM refunds WHERE status = 'requested')
"""
DUE = "UPDATE orders SET pay_by = now() WHERE id = $1"
NOT_DUE = "UPDATE orders SET pay_by = now() + interval '1 day' WHERE id = $1"
STATES = {"succeeded": "succeeded", "declined": "failed", "voided": "voided"}


class Trials:
    """Each trial is an order that is paid in some way while something else happens to it."""

    def __init__(self, shop: Shop, orders: Orders, chance: random.Random) -> None:
        self.shop = shop
        self.orders = orders
        self.ids: list[UUID] = []
        self.retried: Counter[str] = Counter()
        self._chance = chance

    async def run(self, number: int) -> None:
        free = asyncio.Semaphore(AT_ONCE)

        async def one() -> None:
            async with free:
                await self._one()

        await asyncio.gather(*(one() for _ in range(number)))

    async def _one(self) -> None:
        chance = self._chance
        token = chance.choice(TOKENS)
        if chance.random() < 0.25:
            await self._order(token)
            with suppress(Crash):
                await self.shop.pay_by_tokens()
            return
        order_id = await self._order()
        key = str(uuid4())
        await asyncio.gather(
            *(self._pay(order_id, token, key) for _ in range(chance.choice([1, 1, 2, 4]))),
            *(self._pay(order_id, "tok_ok", str(uuid4())) for _ in range(chance.choice([0, 0, 1]))),
            *(self._end(order_id) for _ in range(chance.choice([0, 0, 1]))),
        )
        if chance.random() < 0.5:  # a customer without a response retries
            await self._pay(order_id, token, key)

    async def _order(self, token: str | None = None) -> UUID:
        order_id = await self.shop.order(token=token)
        await self.shop.execute(NOT_DUE, order_id)
        self.ids.append(order_id)
        return order_id

    async def _pay(self, order_id: UUID, token: str, key: str) -> None:
        await asyncio.sleep(self._chance.uniform(0, 0.1))
        answer = await self.shop.pay(order_id, token, key=key)  # a crash: a 500, and the transaction is rolled back
        self.retried[str(answer.status_code)] += 1

    async def _end(self, order_id: UUID) -> None:
        """The order is cancelled or expires."""
        await asyncio.sleep(self._chance.uniform(0, 0.3))
        if self._chance.random() < 0.5:
            await self.shop.execute(DUE, order_id)
            await jobs.expire(self.shop.runtime)
        else:
            await self.shop.customer.post(f"/orders/{order_id}/cancel", json={})

    async def settle(self) -> None:
        """Reconciles until nothing is open; the stock of cancelled orders is released."""

        async def nothing_open() -> bool:
            await self._confirm()
            await self.shop.reconcile()
            await self.shop.carry_out_refunds()
            for order_id in self.ids:
                if (await self.shop.state(order_id)).status == "cancelling":
                    await self.orders.deliver(ReservationReleased(order_id=order_id, version=2))
            async with self.shop.runtime.database.connection() as connection:
                return not await connection.fetchval(OPEN)

        await eventually(nothing_open)

    async def _confirm(self) -> None:
        """Customers with an open confirmation return, and most of them confirm."""
        async with self.shop.runtime.database.connection() as connection:
            waiting = await connection.fetch("SELECT action_url FROM payments WHERE status = 'action_required'")
        for row in waiting:
            answer = self._chance.choice(["confirm", "confirm", "reject"])
            payment = {"next_action": {"url": row["action_url"]}}
            await asyncio.to_thread(self.shop.gateway.answer, payment, answer)

    async def check(self) -> Counter[str]:
        """Compares our books with the gateway's. Returns the number of orders by final status."""
        ends: Counter[str] = Counter()
        for order_id in self.ids:
            charges, refunds = self.shop.gateway.charges(order_id), self.shop.gateway.refunds(order_id)
            order, payments = await self.shop.state(order_id), await self.shop.payments(order_id)
            ours = {
                f"payment-{payment['id']}": (payment["status"], payment["amount"]["amount"]) for payment in payments
            }
            for charge in charges:
                theirs = STATES[charge["status"]], charge["amount"]
                assert ours.pop(charge["idempotency_key"]) == theirs, f"{order_id}: {charge}, {payments}"
            assert {status for status, _ in ours.values()} <= {"failed"}, f"{order_id}: {ours} were never charged"
            taken = [charge["captured"] for charge in charges if charge["captured"]]
            assert len(taken) <= 1, f"{order_id}: charged twice: {charges}"
            kept = sum(taken) - sum(refund["amount"] for refund in refunds)
            assert (order.captured, order.refunded) == (sum(taken), sum(refund["amount"] for refund in refunds))
            assert kept == (TOTAL if order.status == "paid" else 0), f"{order_id} ({order.status}): {kept} kept"
            assert order.status in {"paid", "awaiting_payment", *UNWANTED}
            known = {refund["id"] for refund in await self.shop.refunds(order_id)}
            assert len(known) == len(refunds)
            ends[order.status] += 1
        return ends


@pytest.mark.parametrize("number", [40, pytest.param(500, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
async def test_the_books_of_the_gateway_and_the_shop_agree(gateway: GatewayProcess, number: int) -> None:
    seed = random.getrandbits(32)
    print(f"seed {seed}")  # pytest shows it when the test fails
    chance = random.Random(seed)
    settings: dict[str, Any] = {
        "limits": False,
        "gateway_api_key": API_KEY,
        "gateway_webhook_secret": SECRET,
        "gateway_timeout_seconds": 2,
    }
    async with serve("order_service", gateway_url=gateway.process.url, **settings) as served:
        shop = Shop(served, gateway)
        orders = Orders(served)
        webhook_faults, call_faults = (
            WebhookFaults(served.app, chance),
            CallFaults(served.runtime.resource(Gateways).default, chance),
        )
        async with listening(webhook_faults, gateway.webhook_port):
            trials = Trials(shop, orders, chance)
            await trials.run(number)
            webhook_faults.is_calm = call_faults.is_calm = True
            await trials.settle()
            await eventually(lambda: _webhooks_delivered(gateway))
            await trials.settle()
            ends = await trials.check()
    assert ends["paid"] > number / 3, f"{ends}, {trials.retried}: too few orders were paid"
    assert ends["cancelled"] + ends["expired"] > 0, f"{ends}: no order was cancelled or expired"


async def _webhooks_delivered(gateway: GatewayProcess) -> bool:
    """Returns when the gateway has no webhook to deliver."""
    found = await asyncio.to_thread(gateway.client.get, "/books")
    return bool(found.json()["webhooks"]["owed"] == 0)
