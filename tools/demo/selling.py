"""Creates missing shipping zones and methods, taxes, and the promotions."""

from typing import Any

from tools.api import Api
from tools.demo.catalogue import CURRENCY, LONDON

# Zone → its countries and methods; the first method is the default of an order.
ZONES: dict[str, tuple[list[str], list[dict[str, Any]]]] = {
    "United Kingdom": (
        ["GB"],
        [
            {
                "code": "standard",
                "name": "Standard delivery",
                "kind": "delivery",
                "rates": [{"currency": CURRENCY, "by": "total", "from": 0, "amount": 399}],
                "free_from": {CURRENCY: 5000},
                "min_days": 2,
                "max_days": 4,
                "position": 1,
            },
            {
                "code": "collect",
                "name": "Collect in London East",
                "kind": "pickup",
                "rates": [{"currency": CURRENCY, "by": "total", "from": 0, "amount": 0}],
                "min_days": 1,
                "max_days": 2,
                "cutoff": "15:00",
                "position": 2,
            },
        ],
    ),
    "Germany": (
        ["DE"],
        [
            {
                "code": "parcel",
                "name": "Parcel to Germany",
                "kind": "delivery",
                "rates": [
                    {"currency": CURRENCY, "by": "weight", "from": 0, "amount": 895},
                    {"currency": CURRENCY, "by": "weight", "from": 5000, "amount": 1495},
                ],
                "default_weight": 400,
                "min_days": 4,
                "max_days": 7,
            },
        ],
    ),
}
# Country → the name of its zone, and the standard rate.
TAXES = {"GB": ("United Kingdom", "0.20"), "DE": ("Germany", "0.19")}
REDUCED = "Candles & lights"
CODE = "WELCOME10"


async def prepare_selling(staff: Api) -> None:
    """Creates what is missing, after the warehouses and categories exist."""
    existing = {zone["name"]: zone["id"] for zone in await staff.all("order", "/shipping-zones")}
    for name, (countries, methods) in ZONES.items():
        zone_id = existing.get(name)
        if zone_id is None:
            zone_id = (await staff.post("order", "/shipping-zones", {"name": name, "countries": countries}))["id"]
        codes = {method["code"] for method in await staff.all("order", f"/shipping-zones/{zone_id}/methods")}
        for method in methods:
            if method["code"] not in codes:
                body = {**method, "zone_id": zone_id, **await _pickup(staff, method)}
                await staff.post("order", "/shipping-methods", body)
    await _taxes(staff)
    await _promotions(staff)


async def _taxes(staff: Api) -> None:
    known = {country for zone in await staff.all("order", "/tax/zones") for country in zone["countries"]}
    for country, (name, rate) in TAXES.items():
        if country not in known:
            zone = await staff.post("order", "/tax/zones", {"name": name, "countries": [country]})
            body = {"zone_id": zone["id"], "tax_class": "standard", "rate": rate, "name": "VAT"}
            await staff.post("order", "/tax/rates", body)


async def _pickup(staff: Api, method: dict[str, Any]) -> dict[str, Any]:
    if method["kind"] != "pickup":
        return {}
    [warehouse] = await staff.all("inventory", "/warehouses", code=LONDON)
    return {"warehouse_id": warehouse["id"]}


async def _promotions(staff: Api) -> None:
    existing = {promotion["name"]: promotion for promotion in await staff.all("order", "/promotions")}
    [category] = [each for each in await staff.all("product", "/categories") if each["name"] == REDUCED]
    for body in promotions(category["id"]):
        promotion = existing.get(body["name"]) or await staff.post("order", "/promotions", body)
        if promotion["status"] == "draft":
            await staff.post("order", f"/promotions/{promotion['id']}/activate", repeatable=True)


def promotions(category_id: str) -> list[dict[str, Any]]:
    """One that applies by itself, and one by a code."""
    return [
        {
            "name": f"10 % off {REDUCED}",
            "stage": "lines",
            "effect": {"percent": {"rate": "0.1"}},
            "scope": {"category_ids": [category_id]},
            "automatic": True,
        },
        {
            "name": "10 % off, once for each customer",
            "stage": "order",
            "effect": {"percent": {"rate": "0.1", "most": {CURRENCY: 2000}}},
            "conditions": {"minimum": {CURRENCY: 2000}},
            "code": CODE,
            "limit": 1000,
            "limit_per_customer": 1,
        },
    ]
