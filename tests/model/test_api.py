"""The running order service, with its database and its gateway, behaves like the model."""

from collections.abc import Iterator

import pytest
from anyio.from_thread import start_blocking_portal

from order_service.tests.payments.conftest import API_KEY, SECRET, GatewayProcess
from tests.harness.service import serve
from tests.model.api import Api
from tests.model.profiles import API, API_LONG, explore


@pytest.fixture
def api(gateway: GatewayProcess) -> Iterator[Api]:
    service = serve(
        "order_service",
        gateway_url=gateway.process.url,
        gateway_api_key=API_KEY,
        gateway_webhook_secret=SECRET,
        limits=False,  # one customer places all orders
    )
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(service) as served:
        yield Api(portal, served, gateway)


@pytest.mark.timeout(300)
def test_the_service_behaves_like_the_model(api: Api) -> None:
    assert explore(lambda: api, API).steps >= 100


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_service_behaves_like_the_model_for_long(api: Api) -> None:
    assert explore(lambda: api, API_LONG).steps >= 500
