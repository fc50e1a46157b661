"""The broker's access control list lets each service read exactly the topics that it handles."""

import pytest

from contracts.topics import TOPICS
from tests.security.operations import SERVICES, app


@pytest.mark.parametrize("service", SERVICES)
def test_only_services_with_a_handler_may_read_a_topic(service: str) -> None:
    handled = set(app(service).state.runtime.messaging.subscriptions)
    assert handled == {topic.name for topic in TOPICS if service in topic.readers}
