"""What the OpenAPI document promises."""

from inventory_service.main import create
from inventory_service.settings import Settings
from service_kit.messaging.subscriptions import gather
from tests.harness.service import NOBODY
from tests.harness.tokens import ISSUER

METHODS = {"get", "post", "put", "patch", "delete"}


def test_every_operation_is_described_and_guarded() -> None:
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
