from collections.abc import AsyncIterator

import pytest

from inventory_service.tests.inventory import Inventory
from tests.harness.service import serve


@pytest.fixture
async def inventory() -> AsyncIterator[Inventory]:
    async with serve("inventory_service") as served:
        yield Inventory(served)
