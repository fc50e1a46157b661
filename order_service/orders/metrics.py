"""Prometheus metrics of orders, counted when a transaction has committed."""

from collections.abc import Sequence

from prometheus_client import Counter, Histogram

from order_service.orders.lifecycle import Entry, OrderState
from order_service.orders.models import Status

MOVED = "orders-moved"
"""A signal with each order that a transaction moved, and the entries of its history."""

ORDERS = Counter("orders_total", "How often an order entered a status; a new one enters `pending`", ["status"])
REVENUE = Counter("order_revenue_minor_total", "Totals of the orders that were paid, in minor units", ["currency"])
DECISION_SECONDS = Histogram(
    "order_decision_seconds",
    "From placing an order until its stock is reserved, or it is rejected",
    buckets=(0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120, 600),
)
for _status in Status:
    ORDERS.labels(_status)  # a series that begins with its first order would have no increase for it
PLACED = ORDERS.labels(Status.PENDING)
DECIDED = (Status.AWAITING_PAYMENT, Status.REJECTED)


def count(moved: Sequence[tuple[OrderState, Sequence[Entry]]]) -> None:
    """Listens to `MOVED`."""
    for order, entries in moved:
        for entry in entries:
            if entry.to_status is entry.from_status:
                continue
            ORDERS.labels(entry.to_status).inc()
            if entry.from_status is Status.PENDING and entry.to_status in DECIDED and entry.since:
                DECISION_SECONDS.observe((entry.at - entry.since).total_seconds())
            # An order that could not be cancelled becomes `paid` again: its total is counted once.
            if entry.from_status is Status.AWAITING_PAYMENT and entry.to_status is Status.PAID:
                REVENUE.labels(order.currency).inc(order.total)
