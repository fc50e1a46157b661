"""Payment tokens that come with orders: when they are charged, and how many at a time."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from contracts.events.inventory_deduction import ReservationAccepted
from order_service.payments import attempt_queries, queries, tokens
from order_service.payments.gateways.port import ChargeRequest
from order_service.payments.gateways.sandbox import SandboxGateway
from order_service.tests.payments.conftest import API_KEY, SECRET, GatewayProcess, Shop, eventually
from service_kit.clock import utcnow
from tests.harness.service import serve


@pytest.fixture
async def shop(gateway: GatewayProcess, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    """A service whose job finds no tokens, so that every payment was begun by a commit's signal."""

    async def nothing(*_: Any) -> list[UUID]:
        return []

    monkeypatch.setattr(attempt_queries, "tokens_due", nothing)
    monkeypatch.setattr(queries, "take_due_refunds", nothing)
    async with serve(
        "order_service", service_role="all", gateway_url=gateway.process.url, gateway_api_key=API_KEY,
        gateway_webhook_secret=SECRET, gateway_timeout_seconds=5,
    ) as served:  # fmt: skip
        yield Shop(served, gateway)


async def accept(shop: Shop, *order_ids: UUID) -> None:
    """Delivers inventory's events that their stock is reserved."""
    await shop.served.deliver(
        *(ReservationAccepted(order_id=id, version=1, reserved_until=utcnow()) for id in order_ids)
    )


async def charges_of(shop: Shop, order_id: UUID, count: int = 1) -> None:
    async def made() -> bool:
        # In a thread, since the service runs in this event loop, and must not be blocked.
        return len(await asyncio.to_thread(shop.gateway.charges, order_id)) == count

    await eventually(made)


async def test_a_token_payment_begins_when_stock_is_reserved(shop: Shop) -> None:
    paying, other = await shop.order("pending", token="tok_ok"), await shop.order("pending")
    await accept(shop, paying, other)
    await charges_of(shop, paying)
    assert await shop.payments(other) == []


async def test_a_slow_charge_blocks_no_others(
    shop: Shop, our_gateway: SandboxGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, quick = await shop.order("pending", token="tok_ok"), await shop.order("pending", token="tok_ok")
    charge, may_go_on = our_gateway.open, asyncio.Event()

    async def charging(request: ChargeRequest) -> Any:
        if request.order_id == slow:
            await may_go_on.wait()
        return await charge(request)

    monkeypatch.setattr(our_gateway, "open", charging)
    await accept(shop, slow)
    await accept(shop, quick)
    await charges_of(shop, quick)
    assert shop.gateway.charges(slow) == []
    may_go_on.set()
    await charges_of(shop, slow)


async def test_more_orders_than_may_be_charged_at_once_are_all_paid_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "AT_ONCE", 4)
    monkeypatch.setattr(tokens, "WORTH_OPENING", 2)
    orders = [await shop.order("pending", token="tok_ok") for _ in range(11)]
    await accept(shop, *orders)
    for order_id in orders:
        await charges_of(shop, order_id)
        assert len(await shop.payments(order_id)) == 1


async def test_a_token_that_was_declined_meanwhile_is_not_tried_again(shop: Shop) -> None:
    """Two processes find the same order: when the second locks it, the first has tried the token and deleted it."""
    order_id = await shop.order(token="tok_declined")
    await shop.runtime.resource(tokens.TokenPayments).pay([order_id])

    async def is_gone() -> bool:
        await shop.reconcile()
        return await shop.tokens() == []

    await eventually(is_gone)
    await shop.runtime.resource(tokens.TokenPayments).pay([order_id])
    assert [payment["status"] for payment in await shop.payments(order_id)] == ["failed"]
