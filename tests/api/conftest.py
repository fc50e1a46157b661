"""Fixtures: each service running with data, and the gateway for the order service."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from uuid import UUID

import pytest

from order_service.tests.payments.conftest import API_KEY, SECRET, GatewayProcess, gateway
from tests.api.goods import Known, add_data, caller_id
from tests.api.live import Live, live
from tests.harness.service import NEEDED

__all__ = ["gateway"]


class Examined:
    """A running service with data; requests use a token of `user_id`."""

    def __init__(self, service: str, live: Live) -> None:
        self.service = service
        self.url = live.url
        self.user_id: UUID = live.portal.call(caller_id, service, live.served)
        self.known: Known = live.portal.call(add_data, service, live.served, self.user_id)


Open = Callable[[str], AbstractContextManager[Examined]]


@pytest.fixture
def examined(request: pytest.FixtureRequest) -> Open:
    @contextmanager
    def open(service: str) -> Iterator[Examined]:
        settings: dict[str, object] = dict(NEEDED.get(service, {}))
        if service == "order":
            gateway: GatewayProcess = request.getfixturevalue("gateway")
            settings = {
                "gateway_url": gateway.process.url,
                "gateway_api_key": API_KEY,
                "gateway_webhook_secret": SECRET,
                "limits": False,  # one customer sends everything
            }
        with live(f"{service}_service", **settings) as running:
            yield Examined(service, running)

    return open
