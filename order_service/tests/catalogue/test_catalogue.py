"""Our copies of others' data."""

from uuid import uuid4

from contracts.events.products import ProductDeleted
from contracts.events.stock_levels import StockChanged
from contracts.events.users import UserChanged, UserErased
from order_service.tests.conftest import Shop


async def test_the_newest_version_counts_whatever_the_order(shop: Shop) -> None:
    product_id = await shop.product(300, version=3)
    await shop.product(200, product_id=product_id, version=2)
    levels = [
        StockChanged(product_id=product_id, version=version, on_hand=1, reserved=0, available=available, warehouses=[])
        for version, available in ((4, 40), (6, 60), (5, 50))
    ]
    await shop.deliver(*levels)
    await shop.deliver(levels[0])
    assert (await shop.place(product_id)).json()["total"]["amount"] == 600
    assert await shop.execute("SELECT available FROM stock_levels WHERE product_id = $1", product_id) == 60


async def test_a_deleted_product_stays_deleted(shop: Shop) -> None:
    product_id, never_seen = await shop.product(version=1), uuid4()
    await shop.deliver(
        ProductDeleted(product_id=product_id, version=3), ProductDeleted(product_id=never_seen, version=3)
    )
    for id in (product_id, never_seen):
        await shop.product(product_id=id, version=2)
        assert (await shop.place(id)).json()["lines"][0]["reason"] == "deleted"


async def test_an_erased_customer_is_forgotten_for_good(shop: Shop) -> None:
    customer = await shop.known_customer()
    await shop.execute("INSERT INTO cart_items VALUES ($1, $2, 1, now())", customer, uuid4())
    await shop.deliver(UserErased(user_id=customer, version=2))
    await shop.deliver(
        UserChanged(
            user_id=customer, version=9, email="a@example.org", full_name="Ada", roles=[], email_verified=True,
            active=True,
        )
    )  # fmt: skip
    row = "SELECT email IS NULL AND name IS NULL AND erased AND NOT active FROM account_status WHERE user_id = $1"
    assert await shop.execute(row, customer)
    assert await shop.execute("SELECT count(*) FROM cart_items") == 0
