"""The limits on unpaid orders, failed payments and guessed codes: active, but raised, since many customers share one
address."""

MANY = "1000000"
RAISED = {
    "ORDER_LIMITS": "on",
    "ORDER_UNPAID_ORDERS": MANY,
    "ORDER_UNPAID_ORDERS_UNCONFIRMED": MANY,
    "ORDER_UNPAID_ORDERS_PER_ADDRESS": MANY,
    "ORDER_UNPAID_PIECES": MANY,
    "ORDER_UNKNOWN_CODES": MANY,
    "ORDER_FAILED_PAYMENTS_PER_ORDER": "100",
    "ORDER_FAILED_PAYMENTS_PER_HOUR": MANY,
    "ORDER_FAILED_PAYMENTS_PER_HOUR_AND_ADDRESS": MANY,
}
"""The defaults are tested in order_service/tests/orders/test_limits.py."""
