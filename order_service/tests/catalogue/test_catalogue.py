"""Our copies of others' data."""

import json
from typing import Any
from uuid import uuid4

from contracts.events.products import ProductChanged, ProductDeleted
from contracts.events.stock_levels import StockChanged
from contracts.events.users import UserChanged, UserErased
from contracts.examples import paths
from order_service.catalogue.queries import FACTS
from order_service.tests.conftest import Shop
from service_kit.ids import uuid7


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


async def test_products_of_either_release_are_read_by_the_other(shop: Shop) -> None:
    """This release adds facts to the snapshot. Products that processes of the former release have stored have none
    until they are published again with a new version, so that follows when all processes have been replaced."""
    former, *_, present = (json.loads(path.read_text()) for type, _, path in paths() if type == ProductChanged.type)
    product_id = former["product_id"]
    await _store_as_before(shop, present)
    await _deliver(shop, present)
    assert await _facts(shop, product_id) == {}, "the former release has stored this version"
    await _deliver(shop, present | {"version": 4})
    facts = {name: present[name] for name in FACTS}
    assert await _facts(shop, product_id) == facts

    await _store_as_before(shop, present | {"version": 5, "weight_g": 7})
    assert await _facts(shop, product_id) == facts
    await _deliver(shop, present | {"version": 6, "weight_g": 7})
    assert await _facts(shop, product_id) == facts | {"weight_g": 7}

    await _deliver(shop, former | {"version": 7})
    absent: dict[str, Any] = {"weight_g": None, "category_path": [], "family_id": None, "group_prices": []}
    assert await _facts(shop, product_id) == {"tax_class": "standard", **absent}


async def _deliver(shop: Shop, snapshot: dict[str, Any]) -> None:
    """With exactly these fields."""
    record = shop.record(ProductChanged.model_validate(snapshot), uuid7())
    messaging = shop.runtime.messaging
    subscription = messaging.subscriptions[record.topic]
    await messaging.processor.process(subscription, [record._replace(value=json.dumps(snapshot).encode())])


async def _facts(shop: Shop, product_id: str) -> Any:
    return await shop.execute("SELECT facts FROM catalogue_products WHERE product_id = $1", product_id)


async def _store_as_before(shop: Shop, snapshot: dict[str, Any]) -> None:
    """With the statement of the release before, which knows nothing of facts."""
    await shop.execute(
        """
        INSERT INTO catalogue_products (product_id, sku, name, status, prices, version) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (product_id) DO UPDATE SET sku = excluded.sku, name = excluded.name, status = excluded.status,
            prices = excluded.prices, version = excluded.version
        WHERE catalogue_products.version < excluded.version
        """,
        *(snapshot[name] for name in ("product_id", "sku", "name", "status")),
        json.dumps(snapshot["prices"]),
        snapshot["version"],
    )


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
    gone = "email IS NULL AND name IS NULL AND groups = '{}' AND erased AND NOT active"
    assert await shop.execute(f"SELECT {gone} FROM account_status WHERE user_id = $1", customer)
    assert await shop.execute("SELECT count(*) FROM cart_items") == 0


async def test_an_event_that_does_not_name_groups_leaves_them_as_they_are(shop: Shop) -> None:
    customer, groups = uuid4(), [uuid4(), uuid4()]
    ada = UserChanged(
        user_id=customer, version=1, email="a@example.org", full_name="Ada", roles=[], email_verified=True, active=True,
    )  # fmt: skip
    known = []
    for named in (None, groups, None, groups[:1], []):
        ada = ada.model_copy(update={"version": ada.version + 1, "groups": named})
        await shop.deliver(ada)
        known.append(await shop.execute("SELECT groups FROM account_status WHERE user_id = $1", customer))
    assert known == [[], groups, groups, groups[:1], []]


async def test_several_customers_of_a_batch_keep_their_own_groups(shop: Shop) -> None:
    groups = {uuid4(): [uuid4()] * n for n in (0, 1, 3)}
    await shop.deliver(
        *(
            UserChanged(
                user_id=id, version=1, email="a@example.org", full_name="Ada", roles=[], email_verified=True,
                active=True, groups=of,
            )
            for id, of in groups.items()
        )
    )  # fmt: skip
    for id, of in groups.items():
        assert await shop.execute("SELECT groups FROM account_status WHERE user_id = $1", id) == of
