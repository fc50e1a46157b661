"""The gateway fixtures of the payments' tests."""

from order_service.tests.payments.conftest import gateway

__all__ = ["gateway"]
