"""Creates missing pictures, families, reviews and German texts of the demo's products."""

import asyncio
from typing import Any, NamedTuple

from tools.api import Api, ApiError, for_each
from tools.demo.catalogue import PRODUCTS, DemoProduct
from tools.demo.images import Picture, put_images
from tools.demo.pictures import draw

AT_ONCE = 4
LANGUAGE = "de"
STATUSES = ["active", "draft", "archived"]
LOCALE_UNKNOWN = "locale-unknown"


class DemoFamily(NamedTuple):
    """`values`: the option's value of each product, by SKU."""

    name: str
    description: str
    option: str
    values: dict[str, str]


FAMILIES = (
    DemoFamily(
        "Hanging heart T-light holder",
        "A heart of painted metal for one tealight, in two colours.",
        "colour",
        {"OM-85123A": "white", "OM-21733": "red"},
    ),
    DemoFamily(
        "Bakelike alarm clock",
        "It ticks, it rings, and it looks like 1950.",
        "colour",
        {"OM-22727": "red", "OM-22726": "green"},
    ),
    DemoFamily(
        "Hot water bottle",
        "One warm friend, four winter coats.",
        "design",
        {"OM-22111": "Scottie dog", "OM-22112": "chocolate", "OM-84029G": "Union Flag", "OM-21485": "retrospot"},
    ),
    DemoFamily("Hand warmer", "Click, and it is warm.", "design", {"OM-22834": "Babushka", "OM-22633": "Union Jack"}),
    DemoFamily("Paper chain kit", "Sixty links for a room.", "design", {"OM-22086": "fifties", "OM-22910": "vintage"}),
)
# SKU → stars, title and text.
REVIEWS = {
    "OM-85123A": (5, "Lovely light", "Three of them hang in our window, and the shadows are the best part."),
    "OM-22423": (4, "Makes any cake look better", "Sturdy, though the top plate could be a little larger."),
    "OM-22727": (5, "Loud enough", "It wakes me, the cat and the neighbour."),
    "OM-22111": (5, "Warm feet", None),
    "OM-85099B": (3, "Big", "It holds all of the washing. The dots rub off a bit."),
    "OM-21754": (2, "One letter was missing", "The shop sent another M within two days."),
}
REPLIES = {"OM-21754": "We are sorry about the M, and check every box now."}
# SKU or the name of a category → the German texts.
PRODUCT_TEXTS = {
    "OM-85123A": {"name": "Teelichthalter Herz, weiß", "description": "Lackiertes Metall mit Glas, für ein Teelicht."},
    "OM-21733": {"name": "Teelichthalter Herz, rot", "description": "Die rote Schwester unseres beliebtesten Herzens."},
    "OM-22423": {"name": "Etagere Regency, drei Etagen"},
    "OM-22727": {"name": "Wecker im Bakelit-Stil, rot"},
    "OM-22726": {"name": "Wecker im Bakelit-Stil, grün"},
    "OM-22966": {"name": "Ausstechform Lebkuchenmann"},
    "OM-22752": {"name": "Sieben Matroschkas"},
}
CATEGORY_TEXTS = {
    "Home": "Zuhause", "Candles & lights": "Kerzen und Lichter", "Clocks & frames": "Uhren und Rahmen",
    "Keeping warm": "Warm bleiben", "Kitchen & table": "Küche und Tisch", "Baking": "Backen",
    "Tea & table": "Tee und Tisch", "Bags & storage": "Taschen und Aufbewahrung",
    "Gifts & play": "Geschenke und Spiele", "Christmas": "Weihnachten",
}  # fmt: skip


async def present(staff: Api, customer: Api, products: dict[str, str]) -> None:
    """`products`: their ids by SKU."""
    await _pictures(staff, products)
    await _families(staff, products)
    await _reviews(staff, customer, products)
    await _texts(staff, products)


async def _pictures(staff: Api, products: dict[str, str]) -> None:
    """Only of products without any: staff may have replaced them."""

    def drawn(product: DemoProduct) -> tuple[str, list[Picture]]:
        alt = {"en": product.name, **({LANGUAGE: texts["name"]} if (texts := PRODUCT_TEXTS.get(product.sku)) else {})}
        return products[product.sku], [Picture(draw(product), alt)]

    found = await staff.all("product", "/products", sku=list(products), status=STATUSES, sort="created_at")
    without = {each["sku"] for each in found if not each["images"]}
    missing = [product for product in PRODUCTS if product.sku in without]
    # Drawing takes some seconds: apart, so that it doesn't keep requests waiting.
    await put_images(staff, dict(await asyncio.to_thread(lambda: [drawn(each) for each in missing])))


async def _families(staff: Api, products: dict[str, str]) -> None:
    existing = {each["name"]: each["id"] for each in await staff.all("product", "/families")}

    async def make(family: DemoFamily) -> None:
        if family.name in existing:
            return
        options = [{"name": family.option, "values": list(family.values.values())}]
        members = {sku: await staff.get("product", f"/products/{products[sku]}") for sku in family.values}
        body = {"name": family.name, "description": family.description, "options": options}
        category = next(iter(members.values()))["category_id"]
        made = await staff.post("product", "/families", {**body, "category_id": category})
        for sku, product in members.items():
            change = {"family_id": made["id"], "options": {family.option: family.values[sku]}}
            await staff.patch("product", f"/products/{product['id']}", change)

    await for_each(FAMILIES, make, at_once=AT_ONCE)


async def _reviews(staff: Api, customer: Api, products: dict[str, str]) -> None:
    written = {each["product_id"] for each in await customer.all("product", "/me/reviews")}

    async def write(sku: str) -> None:
        if products[sku] in written:
            return
        rating, title, text = REVIEWS[sku]
        body = {"rating": rating, "title": title, "text": text, "author": "Ada K."}
        review = await customer.post("product", f"/products/{products[sku]}/reviews", body)
        await staff.post("product", f"/reviews/{review['id']}/publish", None)
        if sku in REPLIES:
            await staff.post("product", f"/reviews/{review['id']}/reply", {"text": REPLIES[sku]})

    await for_each(REVIEWS, write, at_once=AT_ONCE)


async def _texts(staff: Api, products: dict[str, str]) -> None:
    tree = await staff.get("product", "/categories/tree")
    categories = {node["name"]: node["id"] for top in tree["items"] for node in (top, *top["children"])}
    texts: dict[str, dict[str, Any]] = {f"/products/{products[sku]}": each for sku, each in PRODUCT_TEXTS.items()}
    texts |= {f"/categories/{categories[name]}": {"name": german} for name, german in CATEGORY_TEXTS.items()}

    async def translate(path: str) -> None:
        if (await staff.get("product", f"{path}/translations"))["items"]:
            return
        try:
            await staff.put("product", f"{path}/translations/{LANGUAGE}", texts[path])
        except ApiError as error:
            if error.type != LOCALE_UNKNOWN:  # the shop's settings are its own
                raise

    await for_each(texts, translate, at_once=AT_ONCE)
