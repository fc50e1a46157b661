"""The gateway that the payments' own tests stand on."""

from order_service.tests.payments.conftest import gateway

__all__ = ["gateway"]
