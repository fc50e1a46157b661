"""The operations in the OpenAPI document, their permissions, and the events that are consumed."""

from uuid import UUID

import pytest

from inventory_service.main import create
from inventory_service.settings import Settings
from inventory_service.tests.inventory import Inventory
from service_kit.messaging.subscriptions import gather
from tests.harness.service import NOBODY
from tests.harness.tokens import ISSUER

NO_SHIPMENT = UUID(int=1)
METHODS = {"get", "post", "put", "patch", "delete"}


def test_every_operation_has_a_description_and_a_permission() -> None:
    app = create(
        Settings(
            environment="development",
            database_url="postgresql://nobody@127.0.0.1:1/none",
            kafka_bootstrap_servers=NOBODY,
            public_issuer=ISSUER,
        )
    )
    operations = {
        f"{method} {path}": operation
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
        if method in METHODS and not path.startswith(("/health", "/metrics", "/dead-letters"))
    }
    assert len(operations) >= 26
    for name, operation in operations.items():
        assert operation["summary"], name
        assert operation["description"], name
        assert operation["tags"], name
        assert operation["security"][0]["OAuth2"], f"{name} names no permission"


def test_consumers_match_the_event_catalogue() -> None:
    from inventory_service.catalogue import consumers as catalogue
    from inventory_service.reservations import consumers as reservations
    from inventory_service.returns import consumers as returns

    found = gather([catalogue, reservations, returns])
    assert {topic: set(subscription.handlers) for topic, subscription in found.items()} == {
        "products": {"mart.product.changed.v1", "mart.product.deleted.v1"},
        "inventory_deduction": {
            "mart.reservation.requested.v1",
            "mart.release.requested.v1",
            "mart.fulfilment.requested.v1",
            "mart.return.expected.v1",
        },
    }
    assert all(subscription.in_transaction for subscription in found.values())


@pytest.mark.parametrize(
    ("method", "path", "permission"),
    [
        ("GET", "/stock", "stock:read"),
        ("GET", "/stock/movements", "stock:read"),
        ("POST", "/stock/receipts", "stock:receive"),
        ("POST", "/stock/adjustments", "stock:adjust"),
        ("GET", "/warehouses", "warehouses:read"),
        ("POST", "/warehouses", "warehouses:manage"),
        ("GET", "/suppliers", "suppliers:read"),
        ("POST", "/suppliers", "suppliers:manage"),
        ("GET", "/shipments", "shipments:read"),
        ("POST", f"/shipments/{NO_SHIPMENT}/dispatch", "shipments:dispatch"),
        ("POST", f"/shipments/{NO_SHIPMENT}/deliver", "shipments:deliver"),
    ],
)
async def test_each_operation_requires_its_permission(
    inventory: Inventory, method: str, path: str, permission: str
) -> None:
    assert (await inventory.served.anonymous.request(method, path, json={})).status_code == 401
    customer = inventory.served.caller(role="User").client
    assert (await customer.request(method, path, json={})).json()["detail"].count(permission) == 1
    allowed = await inventory.served.caller(permission).client.request(method, path, json={})
    assert allowed.status_code in (200, 404, 422)
