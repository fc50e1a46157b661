"""Checks of what orders cost: totals, taxes, discounts, uses of codes, and the numbers of invoices."""

from tests.system.sources import Books
from tests.system.verdict import Found, Kind, Violation
from tests.system.world import World


def violations(books: Books) -> Found:
    for row in books.rows["amounts"]:
        expected = {
            "total": row["line_total"] + row["shipping"],
            "tax": row["line_tax"] + row["shipping_tax"],
            "discount": row["line_discount"] + row["shipping_discount"],
            "adjusted": row["discount"],
            "redemptions": row["redeemed"],
            "kept": 0,
        }
        for name, amount in expected.items():
            if row[name] != amount:
                yield Violation(Kind.OTHER, f"order {row['id']}: {name} is {row[name]}, should be {amount}")
    for row in books.rows["uses"]:
        if row["used"] != row["redeemed"]:
            wrong = f"{row['used']} uses, {row['redeemed']} redeemed"
            yield Violation(Kind.OTHER, f"promotion {row['promotion_id']}: {wrong}")
    for row in books.rows["series"]:
        if row["invoices"] != row["highest"]:
            yield Violation(Kind.LOST, f"series {row['series']}: {row['invoices']} invoices, up to {row['highest']}")


async def configure(world: World) -> None:
    """Orders to London are taxed, and sent by a method that is free: their totals are those of their lines."""
    if (await world.staff.call("order", "GET", "/tax/zones"))["items"]:
        return  # by an earlier run in the same shop
    zone = await world.staff.call("order", "POST", "/tax/zones", json={"name": "London", "countries": ["GB"]})
    rate = {"zone_id": zone["id"], "tax_class": "standard", "rate": "0.20", "name": "VAT"}
    await world.staff.call("order", "POST", "/tax/rates", json=rate)
    area = await world.staff.call("order", "POST", "/shipping-zones", json={"name": "Everywhere", "countries": []})
    method = {
        "zone_id": area["id"], "code": "post", "name": "Post", "kind": "delivery", "tax": "follows_goods",
        "rates": [{"currency": "GBP", "by": "total", "from": 0, "amount": 0}], "min_days": 1, "max_days": 3,
    }  # fmt: skip
    await world.staff.call("order", "POST", "/shipping-methods", json=method)
