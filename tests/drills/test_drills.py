"""Short drills: there is something to recover, and afterwards the books of the shop agree."""

from pathlib import Path

import pytest

from tests.conftest import new_shop
from tests.drills.primary import lose_primary
from tests.drills.restore import EVERY_SERVICE, Plan, restore

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


@pytest.mark.parametrize("services", [("order",), EVERY_SERVICE], ids=["order", "every service"])
async def test_databases_are_restored_to_a_moment_and_recovered(
    request: pytest.FixtureRequest, server_directory: Path, services: tuple[str, ...]
) -> None:
    with new_shop(request) as shop:
        result = await restore(shop, server_directory, Plan(services, before=8, lost=8, after=4))
    assert result.violations == []
    assert result.lacking["orders"] > 0
    assert "orders" not in result.lacking_recovered


async def test_no_acknowledged_order_is_lost_with_the_primary(
    request: pytest.FixtureRequest, server_directory: Path
) -> None:
    with new_shop(request) as shop:
        result = await lose_primary(shop, server_directory / "servers", before=8, after=8)
    assert result.violations == []
    assert result.acknowledged_before > 0
    assert result.lost == 0
