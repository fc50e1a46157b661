"""Checks of carts: each was ordered once, with the contents that its customer saw last."""

from tests.system.sources import Books
from tests.system.verdict import Found, Kind, Violation, kind_of


def violations(books: Books) -> Found:
    for check in (_once, _as_shown):
        yield from check(books)


def _once(books: Books) -> Found:
    """From any number of tabs, and with any number of repeated requests."""
    answers = books.ledger.answers
    for checkout in books.ledger.checkouts:
        orders = {id for key in checkout.keys for id in answers.get(key, ())}
        if len(orders) != 1:
            words = f"a cart was ordered as {len(orders)} orders: {sorted(orders)} ({checkout.keys[:1]})"
            yield Violation(kind_of(len(orders), 1), words)
        for key in checkout.outdated & answers.keys():
            yield Violation(Kind.OTHER, f"order {key}: placed from a cart that had changed meanwhile")


def _as_shown(books: Books) -> Found:
    totals = {str(row["id"]): row["total"] for row in books.rows["orders"]}
    for key, shown in books.ledger.shown.items():
        for id in books.ledger.answers.get(key, ()):
            if totals.get(id, shown) != shown:
                yield Violation(Kind.OTHER, f"order {id}: {totals[id]} in all, its customer was shown {shown}")
