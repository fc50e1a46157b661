"""Checks of what orders cost: totals, taxes, discounts, uses of codes, and the numbers of invoices."""

from tests.system.sources import Books
from tests.system.verdict import Found, Kind, Violation


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
