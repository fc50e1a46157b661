"""Every response conforms to the OpenAPI document, for at least 100 generated requests, or 1,000 in the long tests."""

import pytest

from tests.api.conformance import Effort, examine
from tests.api.conftest import Open
from tests.security.operations import LEAST_OPERATIONS

SHORT = Effort(examples=4, walks=4, bounds=False, seed=1)
LONG = Effort(examples=100, walks=100)
SERVICES = ("product", "inventory", "order", "notification", "user")
ROLES = ("Admin", "User")


def check(examined: Open, service: str, role: str, effort: Effort, least: int) -> None:
    with examined(service) as it:
        found = examine(it.url, effort, role=role, user_id=it.user_id, known=it.known)
    assert [f"{what}\n{how}" for what, how in found.wrong.items()] == []
    assert found.requests >= least
    left_out = 1
    assert len(found.statuses) >= LEAST_OPERATIONS[service] - left_out, "an operation got no request"
    if role == "Admin":
        assert len(found.succeeded) >= LEAST_OPERATIONS[service] * 0.7, found.statuses


@pytest.mark.parametrize("service", SERVICES)
def test_responses_conform_to_the_document(examined: Open, service: str) -> None:
    check(examined, service, "Admin", SHORT, 100)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("service", SERVICES)
def test_responses_conform_to_the_document_for_long(examined: Open, service: str, role: str) -> None:
    check(examined, service, role, LONG, 1000)
