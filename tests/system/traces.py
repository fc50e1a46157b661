"""Orders that are each placed within a trace of their own, and which of its spans a killed process may have lost."""

import asyncio
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID, uuid4

from contracts.topics import TOPICS
from tests.harness.spans import ReceivedSpan, SpanReceiver, edges, orphans
from tests.system.world import ADDRESS, Person, World, until

Edge = tuple[str, str]
"""The labels of two spans: the second was caused by the first; `` is the span of the client."""

PLACED = "order_service POST /orders"
OPENED, FOUND = "order_service POST sandbox.open", "order_service GET sandbox.find"
WEBHOOK = "order_service POST /payments/webhooks/{gateway}"
TO_INVENTORY, TO_ORDERS = "order_service send inventory_deduction", "inventory_service send inventory_deduction"
ORDER_STEP, PAYMENT_STEP = "order_service send order_notification", "order_service send payment_status"
SHIPMENT = "inventory_service send shipment_notification"
RESERVED, RECEIVED = "inventory_service process inventory_deduction", "order_service process inventory_deduction"
NOTIFIED = "notification_service process order_notification"
PAID = {
    ("", PLACED),
    *((PLACED, caused) for caused in (ORDER_STEP, TO_INVENTORY, PAYMENT_STEP, OPENED)),
    (TO_INVENTORY, RESERVED),
    (RESERVED, TO_ORDERS),
    (TO_ORDERS, RECEIVED),
    (RECEIVED, ORDER_STEP),
    (OPENED, WEBHOOK),
    (RESERVED, SHIPMENT),
    (SHIPMENT, "order_service process shipment_notification"),
    (ORDER_STEP, NOTIFIED),
}
"""What every order has that is paid by its token."""
SETTLED = {(WEBHOOK, caused) for caused in (ORDER_STEP, TO_INVENTORY, PAYMENT_STEP)}
"""What such an order has as well, unless its webhook was slow: then our own question to the gateway settles it."""

AT_ONCE = 8
KEPT_NANOSECONDS = 10 * 10**9
"""How long a process keeps a span until it is exported, on a busy machine."""
SENDERS = {topic.name: {f"{writer}_service" for writer in topic.writers} for topic in TOPICS}


def lacking(tree: list[ReceivedSpan]) -> set[Edge]:
    """What an order that is paid should have, and this trace has not."""
    found = edges(tree)
    return PAID - found if (PLACED, FOUND) in found else (PAID | SETTLED) - found


@dataclass(frozen=True)
class Kill:
    """When a service was killed: between two times in nanoseconds."""

    service: str
    after: int
    before: int

    def was_within(self, start: int, end: int) -> bool:
        return self.before >= start and self.after <= end


class TracedOrders:
    """Orders that are placed and paid by token, while services are killed."""

    def __init__(self, world: World, receiver: SpanReceiver) -> None:
        self.root = secrets.token_hex(8)
        self.ids: dict[str, str] = {}
        """The id of each order, by its trace."""
        self.kills: list[Kill] = []
        self._began: dict[str, int] = {}
        self._world, self._receiver = world, receiver

    async def place(self, customer: Person, product: str, **fields: object) -> tuple[str, dict[str, object]]:
        """The trace and the order."""
        trace = secrets.token_hex(16)
        self._began[trace] = time.time_ns()
        headers = {
            "Idempotency-Key": str(uuid4()), "Prefer": "wait=30", "traceparent": f"00-{trace}-{self.root}-01",
        }  # fmt: skip
        body = {"lines": [{"product_id": product, "quantity": 1}], "ship_to": ADDRESS, "payment_token": "tok_ok"}
        order = await customer.call("order", "POST", "/orders", json={**body, **fields}, headers=headers)
        self.ids[trace] = str(order["id"])
        return trace, order

    async def place_while_killing(self, customer: Person, product: str, count: int, victim: str) -> None:
        """Places `count` orders, several at a time. Halfway `victim` is killed; returns when it is ready again."""
        left, wanted = [None] * count, len(self.ids) + count // 2

        async def keep_placing() -> None:
            while left:
                left.pop()
                await self.place(customer, product)

        async def halfway() -> bool:
            return len(self.ids) >= wanted

        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(keep_placing())
            await until("half of the orders are placed", halfway)
            await self._kill(victim)
        await asyncio.to_thread(self._world.shop.wait_ready, victim)

    async def _kill(self, victim: str) -> None:
        after = time.time_ns()
        await asyncio.to_thread(self._world.shop.kill, victim)
        self.kills.append(Kill(f"{victim}_service", after, time.time_ns()))

    async def are_paid(self, customers: list[Person]) -> None:
        """Returns when all orders of these customers are paid, and their shipments are known."""
        for customer in customers:
            mine = await customer.call("order", "GET", "/orders", params={"limit": 100})
            while True:
                for order in mine["items"]:
                    await customer.order_becomes(order["id"], "paid")
                if not mine["next"]:
                    break
                params = {"limit": 100, "cursor": mine["next"]}
                mine = await customer.call("order", "GET", "/orders", params=params)

    def faults(self) -> list[str]:
        """What is wrong with the traces as far as they were received, apart from what killed processes have lost."""
        found = []
        for trace in self.ids:
            tree = self._receiver.of(trace)
            found += [f"{trace}: {what}" for what in self._faults_of(trace, tree)]
        return found

    def _faults_of(self, trace: str, tree: list[ReceivedSpan]) -> Iterator[str]:
        start, end = self._began[trace], max((span.ended for span in tree), default=time.time_ns())
        for cause, effect in lacking(tree):
            services = {label.partition(" ")[0] for label in (cause, effect)}
            if not self._was_killed(services, start, end):
                yield f"no {effect} below {cause}"
        lost: defaultdict[str, list[ReceivedSpan]] = defaultdict(list)
        for orphan in orphans(tree, self.root):
            lost[orphan.parent].append(orphan)
        for children in lost.values():
            services = set.intersection(*map(_services_of_parent, children))
            if not self._was_killed(services, start, min(map(_caused_at, children))):
                yield f"orphans: {sorted(child.label for child in children)}"

    def _was_killed(self, services: set[str], start: int, end: int) -> bool:
        """Whether one of the services was killed while it may still have had a span that ended by `end`."""
        return any(kill.service in services and kill.was_within(start, end + KEPT_NANOSECONDS) for kill in self.kills)

    def count(self, of: Callable[[list[ReceivedSpan]], int]) -> int:
        return sum(of(self._receiver.of(trace)) for trace in self.ids)


def _services_of_parent(orphan: ReceivedSpan) -> set[str]:
    if orphan.kind == "CONSUMER":
        return SENDERS[str(orphan.attributes["messaging.destination.name"])] - {orphan.service}
    return {orphan.service}


def _caused_at(span: ReceivedSpan) -> int:
    """When the span's cause had begun. A consumer may be late, so for an event that is the time in its id (UUIDv7)."""
    if span.kind == "CONSUMER":
        return (UUID(span.attributes["messaging.message.id"]).int >> 80) * 10**6
    return span.began
