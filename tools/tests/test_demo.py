from pathlib import Path
from uuid import uuid4

from order_service.orders.models import Status
from order_service.promotions.models import Promotion
from order_service.promotions.schemas import PromotionIn
from order_service.shipping.schemas import MethodIn
from product_service.attributes.schemas import AttributeIn
from product_service.families.schemas import FamilyIn, Option
from product_service.price_rules.schemas import PriceRuleIn
from product_service.reviews.schemas import ReviewIn
from product_service.translations.schemas import ProductTexts
from product_service.vocabulary.schemas import SynonymIn
from tools.container_secrets import make_secrets
from tools.demo.catalogue import CATEGORIES, LONDON, MANCHESTER, PRODUCTS, SUPPLIERS, WAREHOUSES
from tools.demo.orders import LONDON_ONLY, MANCHESTER_ONLY, MISHAPS, PASSING, SCARCE, STATUSES, WITHDRAWN
from tools.demo.presenting import CATEGORY_TEXTS, FAMILIES, PRODUCT_TEXTS, REPLIES, REVIEWS
from tools.demo.pricing import ATTRIBUTES, RULES, SYNONYMS
from tools.demo.run import Demo, table
from tools.demo.selling import CODE, REDUCED, ZONES, promotions
from tools.replay.sales import DEFAULT_FILE, read

STOCK = {product.sku: product.stock for product in PRODUCTS}


def test_every_product_has_its_category_and_warehouses() -> None:
    assert len(STOCK) == len(PRODUCTS) >= 40
    assert {product.category for product in PRODUCTS} <= CATEGORIES.keys()
    assert {parent for parent in CATEGORIES.values() if parent} <= CATEGORIES.keys()
    assert {code for stock in STOCK.values() for code in stock} == WAREHOUSES.keys() == SUPPLIERS.keys()


def test_prices_come_from_the_data_set_but_skus_differ() -> None:
    """A replay reconciles the stock of the file's stock codes, so the demo must not use them."""
    sold = {product.sku: product.price for product in read(DEFAULT_FILE).products()}
    assert not sold.keys() & STOCK.keys()
    assert {product.sku: product.price for product in PRODUCTS} == {
        product.sku: sold[product.sku.removeprefix("OM-")] for product in PRODUCTS
    }


def test_the_partially_shipped_order_needs_both_warehouses() -> None:
    assert set(STOCK[LONDON_ONLY]) == {LONDON}
    assert set(STOCK[MANCHESTER_ONLY]) == {MANCHESTER}
    assert sum(STOCK[SCARCE].values()) < 10, "and ten pieces may be held unpaid, whatever there is"


def test_every_lasting_status_has_an_order() -> None:
    assert {*STATUSES, *PASSING} == {str(status) for status in Status}
    assert table({"paid": "100002"}, "customer@example.com").row_count == len(Status) + len(MISHAPS)


def test_the_withdrawn_product_is_in_the_catalogue() -> None:
    assert WITHDRAWN in STOCK


def test_the_order_service_accepts_the_shipping_methods_and_promotions() -> None:
    methods = [
        MethodIn.model_validate({**method, "zone_id": uuid4(), "warehouse_id": None})
        for _, methods in ZONES.values()
        for method in methods
    ]
    assert len(methods) == 3
    assert {method.kind for method in methods} == {"delivery", "pickup"}
    automatic, by_code = (Promotion(**PromotionIn(**body).columns()) for body in promotions(str(uuid4())))
    for promotion in (automatic, by_code):
        promotion.check()
    assert automatic.automatic
    assert by_code.code == CODE
    assert REDUCED in CATEGORIES


def test_services_that_run_elsewhere_are_used_with_their_secrets(tmp_path: Path) -> None:
    make_secrets(tmp_path, "postgres:5432")
    demo = Demo.with_secrets(tmp_path, {"user": "http://user:8081"})
    assert demo.admin.email == "admin@example.com"
    assert demo.customer.password == (tmp_path / "demo_customer_password").read_text()
    assert len({account.password for account in (demo.admin, demo.staff, demo.customer)}) == 3
    assert demo.order_database_url.endswith("@postgres:5432/order_service")


def test_families_reviews_and_texts_are_those_of_the_demos_products() -> None:
    members = [sku for family in FAMILIES for sku in family.values]
    assert len(set(members)) == len(members)
    assert {*members, *REVIEWS, *PRODUCT_TEXTS} <= STOCK.keys()
    assert REPLIES.keys() <= REVIEWS.keys()
    assert CATEGORY_TEXTS.keys() == CATEGORIES.keys()
    for family in FAMILIES:
        option = Option(name=family.option, values=list(family.values.values()))
        FamilyIn(name=family.name, description=family.description, options=[option])
    for attribute in ATTRIBUTES:
        AttributeIn.model_validate(attribute)
        assert all(attribute["name"] in product.attributes for product in PRODUCTS)
    for name, rule in RULES.items():
        PriceRuleIn.model_validate({**rule, "currency": "GBP"})
        assert name in CATEGORIES
    for words in SYNONYMS:
        SynonymIn(words=words)
    for rating, title, text in REVIEWS.values():
        ReviewIn(rating=rating, title=title, text=text)
    for texts in PRODUCT_TEXTS.values():
        ProductTexts.model_validate(texts)
