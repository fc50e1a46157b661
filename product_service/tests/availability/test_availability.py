"""Stock levels that the inventory service publishes."""

from uuid import UUID, uuid4

from contracts.events.stock_levels import StockChanged
from product_service.tests.conftest import Json, MakeProduct
from tests.harness.service import Served


def level(product_id: UUID, on_hand: int, reserved: int, version: int) -> StockChanged:
    return StockChanged(
        product_id=product_id,
        on_hand=on_hand,
        reserved=reserved,
        available=on_hand - reserved,
        warehouses=[],
        version=version,
    )


async def shown(service: Served, product_id: UUID) -> Json:
    availability: Json = (await service.anonymous.get(f"/products/{product_id}")).json()["availability"]
    return availability


async def test_an_older_version_changes_nothing(service: Served, make_product: MakeProduct) -> None:
    id = UUID((await make_product())["id"])
    assert await shown(service, id) == {"available": 0, "on_hand": 0, "reserved": 0, "updated_at": None}
    await service.deliver(level(id, 10, 2, version=3))
    first = await shown(service, id)
    assert (first["available"], first["on_hand"], first["reserved"]) == (8, 10, 2)
    await service.deliver(level(id, 99, 0, version=2))
    await service.deliver(level(id, 98, 0, version=3))
    assert await shown(service, id) == first
    await service.deliver(level(id, 7, 7, version=4))
    assert (await shown(service, id))["available"] == 0


async def test_the_newest_version_in_a_batch_is_stored(service: Served, make_product: MakeProduct) -> None:
    ids = [UUID((await make_product())["id"]) for _ in range(2)]
    await service.deliver(*(level(id, version, 0, version) for version in (2, 3, 1) for id in ids))
    assert [(await shown(service, id))["available"] for id in ids] == [3, 3]


async def test_a_level_may_arrive_before_its_product(service: Served) -> None:
    await service.deliver(level(uuid4(), 1, 0, version=1))
