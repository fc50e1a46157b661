"""Short drills: brokers are lost and secrets are rotated, and afterwards the books of the shop agree."""

from pathlib import Path

import pytest

from tests.conftest import new_shop
from tests.drills import rotation
from tests.drills.brokers import lose_brokers, three_brokers

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


async def test_a_cluster_without_one_or_two_brokers_loses_nothing(
    request: pytest.FixtureRequest, server_directory: Path
) -> None:
    with (
        three_brokers(server_directory / "brokers") as brokers,
        new_shop(request, KAFKA_BOOTSTRAP_SERVERS=brokers.addresses) as shop,
    ):
        result = await lose_brokers(shop, brokers, seconds=8)
    assert result.violations == []
    assert result.accepted_without_one > 0
    assert result.accepted_without_two > 0
    assert result.unpublished > 0


async def test_no_request_fails_while_every_secret_is_rotated(
    request: pytest.FixtureRequest, server_directory: Path
) -> None:
    with rotation.broker(server_directory) as (kafka, settings), new_shop(request, **settings) as shop:
        result = await rotation.rotate_secrets(shop, kafka, seconds=3)
    assert result.violations == []
    assert result.failed == 0
    assert result.after > 0
