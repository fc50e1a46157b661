"""Creates missing attributes, synonyms, price rules and a price list of the demo."""

from typing import Any

from tools.api import Api
from tools.demo.catalogue import CURRENCY, PRODUCTS

ATTRIBUTES: tuple[dict[str, Any], ...] = (
    {"name": "colour", "kind": "text", "position": 10, "labels": {"en": "Colour", "de": "Farbe"}},
    {"name": "material", "kind": "text", "position": 20, "labels": {"en": "Material", "de": "Material"}},
)
SYNONYMS = (["mug", "cup"], ["lamp", "light"])
# The name of a category → the rule for its products.
RULES: dict[str, dict[str, Any]] = {
    "Christmas": {
        "name": "Christmas sells out",
        "when": {"stock_below": 40},
        "effect": {"percent": 10},
        "ceiling": 600,
    },
    "Gifts & play": {
        "name": "Sunday treat",
        "window": {"time_zone": "Europe/London", "days": [7]},
        "effect": {"percent": -10},
        "floor": 100,
    },
}
LIST, LIST_CATEGORY, LIST_PERCENT = "Winter warmers", "Keeping warm", 80


async def set_prices(staff: Api, products: dict[str, str]) -> None:
    """`products`: their ids by SKU."""
    tree = await staff.get("product", "/categories/tree")
    categories = {node["name"]: node["id"] for top in tree["items"] for node in (top, *top["children"])}
    await _missing(staff, "/attributes", "name", ATTRIBUTES)
    known = {tuple(each["words"]) for each in await staff.all("product", "/synonyms")}
    for words in SYNONYMS:
        if tuple(words) not in known:
            await staff.post("product", "/synonyms", {"words": words})
    rules = [
        {**rule, "currency": CURRENCY, "scope": {"category_ids": [categories[name]]}} for name, rule in RULES.items()
    ]
    await _missing(staff, "/price-rules", "name", rules)
    await _price_list(staff, products)


async def _missing(staff: Api, path: str, name: str, wanted: Any) -> None:
    known = {each[name] for each in await staff.all("product", path)}
    for body in wanted:
        if body[name] not in known:
            await staff.post("product", path, body)


async def _price_list(staff: Api, products: dict[str, str]) -> None:
    """An interrupted run leaves a draft, which the next one completes."""
    found = [each for each in await staff.all("product", "/price-lists") if each["name"] == LIST]
    if found and found[0]["state"] != "draft":
        return
    made = found[0] if found else await staff.post("product", "/price-lists", {"name": LIST, "currency": CURRENCY})
    prices = [
        {"product_id": products[each.sku], "amount": each.price * LIST_PERCENT // 100}
        for each in PRODUCTS
        if each.category == LIST_CATEGORY
    ]
    await staff.put("product", f"/price-lists/{made['id']}/prices", {"prices": prices})
    await staff.post("product", f"/price-lists/{made['id']}/activate")
