"""The spans of orders: each order is one tree, from its request through outbox, Kafka, gateway and webhook."""

import asyncio
import json
import secrets
import time
from collections import Counter
from functools import partial
from uuid import uuid4

import pytest

from contracts.topics import TOPICS
from tests.harness.spans import ReceivedSpan, SpanReceiver, edges, orphans
from tests.system.world import ADDRESS, Person, World, until

PLACED = "order_service POST /orders"
OPENED = "order_service POST sandbox.open"
WEBHOOK = "order_service POST /payments/webhooks/{gateway}"
TO_INVENTORY, TO_ORDERS = "order_service send inventory_deduction", "inventory_service send inventory_deduction"
ORDER_STEP, PAYMENT_STEP = "order_service send order_notification", "order_service send payment_status"
SHIPMENT = "inventory_service send shipment_notification"
RESERVED, RECEIVED = "inventory_service process inventory_deduction", "order_service process inventory_deduction"
PAID = {
    ("", PLACED),
    *((PLACED, caused) for caused in (ORDER_STEP, TO_INVENTORY, PAYMENT_STEP, OPENED)),
    (TO_INVENTORY, RESERVED),
    (RESERVED, TO_ORDERS),
    (TO_ORDERS, RECEIVED),
    (RECEIVED, ORDER_STEP),
    (OPENED, WEBHOOK),
    *((WEBHOOK, caused) for caused in (ORDER_STEP, TO_INVENTORY, PAYMENT_STEP)),
    (RESERVED, SHIPMENT),
    (SHIPMENT, "order_service process shipment_notification"),
    (ORDER_STEP, "notification_service process order_notification"),
}
"""Each span of an order that is paid by its token and has a shipment, below the span that caused it."""


AT_ONCE = 8
EXPORT_SECONDS, RECOVERY_SECONDS = 10, 120
"""How old a span can be that was not exported yet, and how long after a kill its consequences can be handled."""
NAMES = ("user", "product", "inventory", "order", "notification")
SENDERS = {topic.name: {f"{writer}_service" for writer in topic.writers} for topic in TOPICS}


async def placed(customer: Person, product: str, root: str, **fields: object) -> tuple[str, dict[str, object]]:
    """A trace that the client began with the span `root`, and the order."""
    trace = secrets.token_hex(16)
    headers = {"Idempotency-Key": str(uuid4()), "Prefer": "wait=30", "traceparent": f"00-{trace}-{root}-01"}
    body = {"lines": [{"product_id": product, "quantity": 1}], "ship_to": ADDRESS, **fields}
    return trace, await customer.call("order", "POST", "/orders", json=body, headers=headers)


async def tree_of(spans: SpanReceiver, trace: str, root: str, expected: set[tuple[str, str]]) -> list[ReceivedSpan]:
    """The spans of a trace, once all that are expected have been received."""

    async def complete() -> bool:
        return edges(spans.of(trace)) >= expected and not orphans(spans.of(trace), root)

    try:
        await until("the trace is complete", complete)
    except AssertionError:
        found = edges(spans.of(trace))
        raise AssertionError(f"lacking: {sorted(expected - found)}; found: {sorted(found)}") from None
    return spans.of(trace)


async def received_all(spans: SpanReceiver, traces: set[str]) -> None:
    """Returns when no span of these traces has come for longer than processes keep spans before they export them."""
    seen, since = -1, time.monotonic()

    async def quiet() -> bool:
        nonlocal seen, since
        now = sum(span.trace in traces for span in spans.all())
        if now != seen:
            seen, since = now, time.monotonic()
        return time.monotonic() - since > EXPORT_SECONDS

    await until("no more spans come", quiet, within=120)


class Shopping:
    """Orders that are placed and paid by token, each within a trace of its own, while services are killed."""

    def __init__(self, world: World, count: int) -> None:
        self.root = secrets.token_hex(8)
        self.orders: dict[str, str] = {}
        """The id of each order, by its trace."""
        self.killed: list[tuple[str, int]] = []
        """Services, and when they were killed, in nanoseconds."""
        self._world, self._left = world, count

    async def begin(self) -> None:
        """Returns when all orders are placed."""
        self._customer = await self._world.customer()
        self._product = await self._world.product(stock=10 * self._left)
        await asyncio.gather(*(self._keep_placing() for _ in range(AT_ONCE)))

    async def _keep_placing(self) -> None:
        while self._left > 0:
            self._left -= 1
            trace, order = await placed(self._customer, self._product, self.root, payment_token="tok_ok")
            self.orders[trace] = str(order["id"])

    async def has(self, count: int) -> bool:
        return len(self.orders) >= count

    async def all_are_paid(self) -> None:
        for order_id in self.orders.values():
            await self._customer.order_becomes(order_id, "paid")

    def is_explained(self, orphan: ReceivedSpan) -> bool:
        """Whether a service that may have caused the span was killed shortly before, with spans not yet exported."""
        causing = SENDERS.get(orphan.name.removeprefix("process "), {orphan.service})
        return any(
            service in causing and killed - EXPORT_SECONDS * 10**9 <= orphan.began <= killed + RECOVERY_SECONDS * 10**9
            for service, killed in self.killed
        )


async def test_an_order_that_is_paid_by_its_token_is_one_tree(world: World, spans: SpanReceiver) -> None:
    customer, product, root = await world.customer(), await world.product(stock=30), secrets.token_hex(8)
    orders = [await placed(customer, product, root, payment_token="tok_ok") for _ in range(5)]
    for trace, order in orders:
        assert order["status"] == "paid"
        found = await tree_of(spans, trace, root, PAID)
        assert [span.label for span in found if span.parent == root] == [PLACED]
        assert Counter(span.label for span in found)[WEBHOOK] == 1
        assert not any(span.failed for span in found)
        by_id = {span.id: span for span in found}
        assert all(span.began <= span.ended for span in found)
        early = [span for span in found if span.kind == "CONSUMER" and span.ended < by_id[span.parent].began]
        assert early == []


async def test_no_personal_data_is_in_any_span(world: World, spans: SpanReceiver) -> None:
    customer, product, root = await world.customer(), await world.product(stock=30), secrets.token_hex(8)
    trace, order = await placed(customer, product, root, payment_token="tok_ok")
    await customer.call("user", "GET", "/users/me", headers={"traceparent": f"00-{trace}-{root}-01"})
    await customer.ask("user", "POST", "/auth/token", data=customer.form | {"password": "wrong"})
    found = json.dumps([[span.name, span.attributes] for span in await tree_of(spans, trace, root, PAID)])
    assert "user_service GET /users/me" in {span.label for span in spans.of(trace)}
    told = [customer.email, customer.id, ADDRESS["name"], ADDRESS["line1"], "127.0.0.1", "tok_ok", str(order["id"])]
    assert [value for value in told if value in found] == []


@pytest.mark.parametrize(
    ("count", "victims"),
    [
        pytest.param(60, ("inventory", "order"), id="60"),
        pytest.param(1000, NAMES * 2, id="1000", marks=[pytest.mark.long, pytest.mark.timeout(1800)]),
    ],
)
async def test_each_order_is_one_tree_while_services_are_killed(
    world: World, spans: SpanReceiver, count: int, victims: tuple[str, ...]
) -> None:
    """What a killed process had not exported is lacking; nothing else is."""
    shopping = Shopping(world, count)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(shopping.begin())
        for number, victim in enumerate(victims, start=1):
            await until("orders are placed", partial(shopping.has, count * number // (len(victims) + 2)))
            await asyncio.to_thread(world.shop.kill, victim)
            shopping.killed.append((f"{victim}_service", time.time_ns()))
    await asyncio.gather(*(asyncio.to_thread(world.shop.wait_ready, name) for name in victims))
    await shopping.all_are_paid()
    traces = set(shopping.orders)
    assert len(traces) == count

    await received_all(spans, traces)
    found = {trace: spans.of(trace) for trace in traces}
    assert [trace for trace, tree in found.items() if (TO_INVENTORY, RESERVED) not in edges(tree)] == []
    lost = [span for tree in found.values() for span in orphans(tree, shopping.root)]
    assert [span for span in lost if not shopping.is_explained(span)] == []
