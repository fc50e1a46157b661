"""What the replay's orders need besides products: a shipping method that is free in every country, and taxes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from local_stack.errors import StackError
from tools.api import Api
from tools.replay.sales import Invoice

METHOD, ELSEWHERE = "replay", "Replay: all other countries"
TAXES: Mapping[str, tuple[str, str, str]] = {"gb": ("GB", "United Kingdom", "0.20")}
"""By the value of `TAX`: the country, its zone's name and the standard rate that an order to it is taxed at."""
MILLION = 1_000_000


@dataclass(slots=True)
class Terms:
    """`shipping_method` None: the shop has none, and orders need none. `tax_rates`: the standard rate by country, in
    parts per million; None: taxes are not reconciled."""

    shipping_method: str | None = None
    tax_rates: dict[str, int] | None = field(default=None)

    def tax(self, amount: int, country: str) -> int:
        """The tax in an amount, half a penny rounded up."""
        rate = (self.tax_rates or {}).get(country, 0)
        return (2 * amount * rate + MILLION + rate) // (2 * (MILLION + rate))

    def taxes(self, invoice: Invoice, country: str) -> list[int]:
        """The tax in each line of the invoice."""
        return [self.tax(line.unit_price * line.quantity, country) for line in invoice.lines]


def known_tax(name: str) -> str:
    """Raises: StackError."""
    if name and name not in TAXES:
        raise StackError(f"TAX={name}: give {', '.join(TAXES)}, or nothing.")
    return name


async def prepare_terms(api: Api, tax: str) -> Terms:
    """Raises: ApiError, ApiUnreachable, StackError."""
    return Terms(await _free_method(api), await _tax_rates(api, tax) if tax else None)


async def _free_method(api: Api) -> str | None:
    """The orders' totals are those of the invoices, whatever the shop charges for shipping."""
    zones = await api.all("order", "/shipping-zones")
    if not zones:
        return None
    ids = [zone["id"] for zone in zones]
    if all(zone["countries"] for zone in zones):
        ids.append((await api.post("order", "/shipping-zones", {"name": ELSEWHERE, "countries": []}))["id"])
    for zone_id in ids:
        methods = await api.all("order", f"/shipping-zones/{zone_id}/methods")
        if METHOD in {method["code"] for method in methods}:
            continue
        body = {
            "zone_id": zone_id, "code": METHOD, "name": "Replay", "kind": "delivery", "tax": "follows_goods",
            "rates": [{"currency": "GBP", "by": "total", "from": 0, "amount": 0}], "min_days": 1, "max_days": 3,
            "position": 1000,
        }  # fmt: skip
        await api.post("order", "/shipping-methods", body)
    return METHOD


async def _tax_rates(api: Api, tax: str) -> dict[str, int]:
    """The rates by which the shop taxes, after it taxes orders to the country of `tax`."""
    country, name, rate = TAXES[tax]
    zones = await api.all("order", "/tax/zones")
    if not any(country in zone["countries"] for zone in zones):
        zones.append(await api.post("order", "/tax/zones", {"name": name, "countries": [country]}))
        body = {"zone_id": zones[-1]["id"], "tax_class": "standard", "rate": rate, "name": "VAT"}
        await api.post("order", "/tax/rates", body)
    if odd := [zone["name"] for zone in zones if not zone["prices_include_tax"] or zone["rounding"] != "line"]:
        raise StackError(f"Prices in {', '.join(odd)} don't include tax, or are not rounded by line: not reconciled.")
    countries = {zone["id"]: zone["countries"] for zone in zones}
    standard = [each for each in await api.all("order", "/tax/rates") if each["tax_class"] == "standard"]
    return {
        code: round(float(each["rate"]) * MILLION)
        for each in standard
        if each["ends_at"] is None
        for code in countries[each["zone_id"]]
    }
