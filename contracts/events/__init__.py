"""Every event, one module per topic.

Importing any part of this package imports all of it, so that `by_type` never misses one.
"""

from contracts.events import (
    inventory_deduction,
    order_notification,
    payment_status,
    products,
    shipment_notification,
    stock_levels,
    users,
)
from contracts.events.base import Event, by_type, registered

EVENTS: tuple[type[Event], ...] = registered()

__all__ = [
    "EVENTS",
    "Event",
    "by_type",
    "inventory_deduction",
    "order_notification",
    "payment_status",
    "products",
    "shipment_notification",
    "stock_levels",
    "users",
]
