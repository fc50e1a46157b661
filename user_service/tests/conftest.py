from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.harness.service import Served, serve

SETTINGS: dict[str, Any] = {
    "key_encryption_secret": "the tests' own key encryption secret",
    "password_memory_kib": 8,
    "password_rounds": 1,
    "first_admin_email": "admin@example.com",
    "first_admin_password": "the first admin's own words",
}


@pytest.fixture
async def service() -> AsyncIterator[Served]:
    async with serve("user_service", **SETTINGS) as served:
        yield served
