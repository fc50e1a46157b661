"""What the orders of a run cost: the taxes, method and codes that apply to them, and the checks of their totals,
taxes, discounts, uses of codes and invoices."""

from collections.abc import Sequence
from typing import Any

from tests.system.sources import Books
from tests.system.verdict import Found, Kind, Violation, kind_of
from tests.system.world import World

CODE, RARE_CODE = "TENOFF", "FEW10"
PLENTY, RARE_USES = 1_000_000, 15


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
    yield from _invoiced(books)
    for row in books.rows["series"]:
        if row["invoices"] != row["highest"]:
            yield Violation(Kind.LOST, f"series {row['series']}: {row['invoices']} invoices, up to {row['highest']}")


def _invoiced(books: Books) -> Found:
    """Each order that was paid has one invoice of its total, and credit notes of what was refunded. An order that was
    refunded in full before it was invoiced may have none."""
    for row in books.rows["invoiced"]:
        none_needed = not row["captured"] or (row["captured"] == row["refunded"] and not row["invoices"])
        invoices, amount, credited = (0, 0, 0) if none_needed else (1, row["total"], row["refunded"])
        if row["invoices"] != invoices:
            yield Violation(kind_of(row["invoices"], invoices), f"order {row['id']}: {row['invoices']} invoices")
        elif (row["invoiced"], row["credited"]) != (amount, credited):
            words = f"{row['invoiced']} invoiced, {row['credited']} credited, should be {amount} and {credited}"
            yield Violation(Kind.OTHER, f"order {row['id']}: {words}")


async def configure(world: World) -> Sequence[str]:
    """Orders to London are taxed, and sent by a method that is free: without a code, their totals are those of their
    lines. Returns two codes for 10 % off, the second for few orders."""
    if not (await world.staff.call("order", "GET", "/tax/zones"))["items"]:  # else by an earlier run in the same shop
        await _configure(world)
    return CODE, RARE_CODE


async def _configure(world: World) -> None:
    async def add(path: str, **body: Any) -> Any:
        return await world.staff.call("order", "POST", path, json=body)

    zone = await add("/tax/zones", name="London", countries=["GB"])
    await add("/tax/rates", zone_id=zone["id"], tax_class="standard", rate="0.20", name="VAT")
    area = await add("/shipping-zones", name="Everywhere", countries=[])
    rates = [{"currency": "GBP", "by": "total", "from": 0, "amount": 0}]
    method = {"code": "post", "name": "Post", "kind": "delivery", "tax": "follows_goods"}
    await add("/shipping-methods", zone_id=area["id"], **method, rates=rates, min_days=1, max_days=3)
    for code, uses in ((CODE, PLENTY), (RARE_CODE, RARE_USES)):
        limits = {"limit": uses, "limit_per_customer": PLENTY}
        effect = {"percent": {"rate": "0.10"}}
        made = await add("/promotions", name=code, code=code, stage="order", effect=effect, **limits)
        await add(f"/promotions/{made['id']}/activate")
