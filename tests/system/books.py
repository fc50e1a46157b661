"""Compares the books of the shop with each other: five databases, the gateway's, the mailbox, and the topics. Reports
the differences.

Orders in the ledger of the simulated customers are checked up to their final status; stock, money and events are
checked for the whole shop, including what earlier tests did in it.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from contracts.events import by_type
from contracts.events.users import UserErased, UserMerged
from tests.system import checkouts, goods, prices, returns
from tests.system.customers import Ledger
from tests.system.goods import GOODS_DELIVERED
from tests.system.log import Record
from tests.system.sources import Books, read
from tests.system.verdict import Found, Kind, Violation, kind_of, same
from tests.system.world import SOON, World, until

STEPS = frozenset(
    {
        (None, "placed", "pending"),
        ("pending", "reservation.accepted", "awaiting_payment"),
        ("pending", "reservation.rejected", "rejected"),
        ("pending", "cancel", "cancelled"),
        ("awaiting_payment", "captured in full", "paid"),
        ("awaiting_payment", "pay_by passed", "expired"),
        ("awaiting_payment", "cancel", "cancelled"),
        ("paid", "cancel", "cancelling"),
        ("paid", "refunded in full", "cancelling"),
        ("paid", "reservation.rejected", "cancelled"),
        ("paid", "shipment.dispatched", "partially_shipped"),
        ("paid", "last shipment.dispatched", "shipped"),
        ("cancelling", "reservation.released", "cancelled"),
        ("cancelling", "reservation.rejected", "cancelled"),
        ("cancelling", "release.refused", "paid"),
        ("cancelling", "release.refused", "partially_shipped"),
        ("cancelling", "release.refused", "shipped"),
        ("partially_shipped", "last shipment.dispatched", "shipped"),
        ("partially_shipped", "every shipment.lost", "cancelled"),
        ("shipped", "every shipment.lost", "cancelled"),
        ("shipped", "last shipment.delivered", "delivered"),
        ("delivered", "return window over", "completed"),
        ("delivered", "last return.received", "returned"),
        ("completed", "last return.received", "returned"),
    }
)
"""All allowed changes of the status of an order, repeated here so that a mistake in the rule table is found."""

BY_HAND = "bank_transfer"
"""The gateway of payments that staff record and refund by hand."""

UNSETTLED = frozenset({"pending", "action_required", "authorised", "requested"})
"""Statuses of payments and refunds that are not final."""

NOTIFIED_STATUSES = frozenset({"awaiting_payment", "paid", "rejected", "cancelled"})
"""The statuses of which the customer is notified when the order enters them; a return to `paid` causes no other one."""


async def agree(world: World, ledger: Ledger) -> None:
    """Waits until all events have been published and handled and the books agree. Fails with the differences."""
    found = await differences(world, ledger)
    words = "\n".join(str(violation) for violation in found[:20])
    assert found == [], f"{len(found)} violations:\n{words}"


async def differences(world: World, ledger: Ledger, within: float = SOON) -> list[Violation]:
    """The differences that remain when all events should have been published and handled."""
    found: list[Violation] = []

    async def holds() -> bool:
        found[:] = violations(await read(world, ledger))
        return not found

    try:
        await until("the books agree", holds, within)
    except AssertionError:
        return found
    return []


def violations(books: Books) -> list[Violation]:
    checks = (
        *(_accepted, checkouts.violations, _steps, _money, _totals, _gateway),
        *(
            goods.violations,
            prices.violations,
            returns.violations,
            _notified,
            _mailed,
            _committed,
            _dead_letters,
            _in_order,
        ),
    )
    return [violation for check in checks for violation in check(books)]


def _accepted(books: Books) -> Found:
    """Every order in a response exists once, no other order exists, and each is in its final status."""
    orders = {str(row["id"]): row for row in books.rows["orders"]}
    for key, ids in books.ledger.answers.items():
        if len(ids) != 1:
            yield Violation(Kind.DUPLICATED, f"order {key}: answered with {len(ids)} orders: {sorted(ids)}")
    for id in books.ledger.orders:
        if id not in orders:
            yield Violation(Kind.LOST, f"order {id}: accepted and lost")
        elif orders[id]["status"] not in _ends(books, id) or orders[id]["stuck_reason"]:
            yield Violation(Kind.STUCK, f"order {id}: stuck, {orders[id]['status']} ({orders[id]['stuck_reason']})")
    for id, row in orders.items():
        if str(row["customer_id"]) in books.ledger.customers and id not in books.ledger.orders:
            yield Violation(Kind.DUPLICATED, f"order {id}: no response contained it ({row['status']})")


def _steps(books: Books) -> Found:
    """Each change of status is allowed and starts from the previous status, and the last one leads to the current
    status."""
    status: dict[Any, str] = {}
    for order, trigger, before, after in books.rows["history"]:
        if before != after and (before, trigger, after) not in STEPS:
            yield Violation(Kind.OTHER, f"order {order}: from {before} to {after} on {trigger}")
        if before != status.get(order):
            yield Violation(Kind.OTHER, f"order {order}: {trigger} starts from {before}, not {status.get(order)}")
        status[order] = after
    for row in books.rows["orders"]:
        if status.get(row["id"]) != row["status"]:
            yield Violation(Kind.OTHER, f"order {row['id']}: {row['status']}, by its history {status.get(row['id'])}")


def _money(books: Books) -> Found:
    """A delivered order has one successful charge, or bank transfer, of its total, a rejected order none. The charge of
    a cancelled order is refunded in full; of any other order, what staff refunded and the price of returned and lost
    pieces."""
    worth = returns.worth(books) + goods.worth_lost(books)
    charged: defaultdict[str, list[int]] = defaultdict(list)
    for charge in books.charges:
        if charge["captured"]:
            charged[charge["reference"]].append(charge["captured"])
    for row in books.rows["payments"]:
        if row["gateway"] == BY_HAND:
            charged[str(row["order_id"])].append(row["amount"])
    for row in books.rows["orders"]:
        id = str(row["id"])
        if id not in books.ledger.orders:
            continue
        wanted = [row["total"]] if row["status"] in GOODS_DELIVERED else []
        if charged[id] != wanted and not (row["status"] == "cancelled" and charged[id] == [row["total"]]):
            kind = kind_of(len(charged[id]), len(wanted))
            yield Violation(kind, f"order {id} ({row['status']}): charged {charged[id]}, should be {wanted}")
        back = sum(charged[id])
        if row["status"] in GOODS_DELIVERED:
            back = min(row["total"], books.ledger.refunds.get(id, 0) + worth.get(id, 0))
        if row["refunded"] != back:
            kind = kind_of(row["refunded"], back)
            yield Violation(kind, f"order {id} ({row['status']}): {row['refunded']} refunded, should be {back}")


def _totals(books: Books) -> Found:
    """The captured and refunded amounts of an order are the sums of its payments and refunds."""
    for name, column in (("payments", "captured"), ("refunds", "refunded")):
        sums: Counter[Any] = Counter()
        for row in books.rows[name]:
            if row["status"] == "succeeded":
                sums[row["order_id"]] += row["amount"]
        for row in books.rows["orders"]:
            if row[column] != sums[row["id"]]:
                yield Violation(Kind.OTHER, f"order {row['id']}: {row[column]} {column}, {name} say {sums[row['id']]}")


def _gateway(books: Books) -> Found:
    """Each charge belongs to a payment and each of its refunds to one of ours, with the same amount and result. The
    gateway knows nothing of bank transfers, whose refunds wait for staff."""
    ours = [row for row in books.rows["payments"] if row["gateway"] == "sandbox"]
    back = [row for row in books.rows["refunds"] if row["gateway"] != BY_HAND]
    payments = {
        f"payment-{row['id']}": (row["status"], row["amount"], row["gateway_charge_id"])
        for row in ours
        if row["status"] != "failed" or row["gateway_charge_id"]
    }
    states = {"declined": "failed"}
    charges = {
        charge["idempotency_key"]: (
            states.get(charge["status"], charge["status"]),
            charge["captured"] or charge["amount"],
            charge["id"],
        )
        for charge in books.charges
    }
    yield from same("payment", payments, charges)
    refunds = {f"refund-{row['id']}": (row["amount"], row["gateway_refund_id"]) for row in back}
    made = {refund["idempotency_key"]: (refund["amount"], refund["id"]) for refund in books.refunds}
    yield from same("refund", refunds, made)
    unsettled = [row for row in [*ours, *back] if row["status"] in UNSETTLED]
    yield from (Violation(Kind.STUCK, f"payment or refund {row['id']}: not settled") for row in unsettled)
    if any(books.webhooks.values()):
        yield Violation(Kind.STUCK, f"webhooks: {books.webhooks}")


def _notified(books: Books) -> Found:
    """Every customer is notified of each step once; nothing is left of an erased one."""
    gone = _erased(books)
    steps = Counter(
        (record.key, _step_of(record))
        for record in _once(books.records)
        if _notifies(record) and record.key not in gone
    )
    published = Counter({(str(row["order_id"]), row["kind"]): row["count"] for row in books.rows["notified"]})
    yield from same("notified of", {str(k): n for k, n in published.items()}, {str(k): n for k, n in steps.items()})
    by_order: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for (id, kind), count in published.items():
        # After a crash another attempt follows a failed one; invoices are no step of the order.
        if kind not in ("payment.failed", "invoice.issued"):
            by_order[id][kind] = count
    given_back = Counter(str(row["order_id"]) for row in books.rows["refunds"] if row["status"] == "succeeded")
    decided, sent = returns.published(books), goods.published(books)
    passed: defaultdict[str, list[str]] = defaultdict(list)
    for order, _, before, after in books.rows["history"]:
        if before != after and after in NOTIFIED_STATUSES:
            passed[str(order)].append(f"order.{after}")
    for row in books.rows["orders"]:
        id = str(row["id"])
        wanted = Counter({"order.placed": 1, **dict.fromkeys(passed[id], 1)})
        wanted["payment.refunded"] = given_back[id]
        wanted.update(sent.get(id))
        if row["status"] in GOODS_DELIVERED:
            wanted.update(decided[id])
        if id in books.ledger.orders and by_order[id] != +wanted:
            verdict = Kind.DUPLICATED if by_order[id] - wanted else Kind.LOST
            yield Violation(verdict, f"order {id} ({row['status']}): its customer was notified of {dict(by_order[id])}")


def _mailed(books: Books) -> Found:
    """One e-mail for each notification of a customer with a verified address, and no other, except that no e-mail asks
    for a payment that is made automatically."""
    gone = _erased(books)
    forgotten = {record.id for record in books.records if record.key in gone}
    came = Counter(id.strip("<>").partition(".")[0] for id in books.mails)
    letters = {str(row["event_id"]): row for row in books.rows["mail_deliveries"]}
    first_failed = _first_failed(books)
    for id, row in letters.items():
        if row["status"] == "sent" and not came[id]:
            yield Violation(Kind.LOST, f"e-mail about {id}: sent, and not in the mailbox")
        elif row["status"] == "pending" and not row["not_due"]:
            yield Violation(Kind.STUCK, f"e-mail about {id}: due, and not sent")
        elif row["kind"] == "payment.failed" and row["status"] is None and _is_of_a_run(row, first_failed):
            continue
        elif row["status"] in (None, "failed", "withheld") and str(row["customer_id"]) in books.ledger.verified:
            yield Violation(Kind.LOST, f"e-mail about {id}: {row['status'] or 'not written'}")
    for id, count in came.items():
        if count > 1:
            yield Violation(Kind.DUPLICATED, f"e-mail about {id}: under {count} Message-IDs")
        if id not in letters and id not in forgotten:
            yield Violation(Kind.DUPLICATED, f"e-mail about {id}: there is no such notification")


def _first_failed(books: Books) -> dict[Any, Any]:
    """By customer: the first failed payment with an e-mail."""
    failed = [
        row for row in books.rows["mail_deliveries"] if row["kind"] == "payment.failed" and row["status"] is not None
    ]
    return {row["customer_id"]: _when(row) for row in sorted(failed, key=_when, reverse=True)}


def _is_of_a_run(row: Any, first_failed: dict[Any, Any]) -> bool:
    """Only the first of successive failed payments causes an e-mail."""
    first = first_failed.get(row["customer_id"])
    return first is not None and bool(first < _when(row))


def _when(row: Any) -> Any:
    """Rows with the same time are ordered by their ids."""
    return row["created_at"], row["id"]


def _committed(books: Books) -> Found:
    """Exactly the committed events were published; kept copies of events of erased accounts are deleted."""
    gone = _erased(books)
    published = {record.id: record for record in books.records}
    committed = {str(row["event_id"]): row for row in books.committed}
    for id in committed.keys() - published.keys():
        yield Violation(Kind.LOST, f"{committed[id]['type']} {id}: committed, not on its topic")
    for id in published.keys() - committed.keys():
        if published[id].key not in gone:
            yield Violation(Kind.OTHER, f"{published[id].type} {id}: published, not committed")
    for row in books.committed:
        if not row["published"]:
            yield Violation(Kind.STUCK, f"{row['type']} {row['event_id']}: not marked as published")


def _dead_letters(books: Books) -> Found:
    yield from (Violation(Kind.STUCK, f"{row['type']}: parked ({row['error']})") for row in books.parked)
    yield from (Violation(Kind.OTHER, f"{record.type}: a dead letter") for record in books.dead)


def _in_order(books: Books) -> Found:
    """The events of an aggregate are in the order of their versions; repeated records are ignored."""
    last: dict[tuple[str, str, str], int] = {}
    for record in _once(books.records):
        aggregate, version = (record.topic, record.source, record.subject), json.loads(record.value)["version"]
        if version <= last.get(aggregate, 0):
            yield Violation(Kind.OTHER, f"{record.type} of {aggregate}: version {version} after {last[aggregate]}")
        last[aggregate] = version


def _once(records: Iterable[Record]) -> Iterator[Record]:
    """Each event at its first position: a repeated publication is harmless."""
    seen: set[str] = set()
    for record in records:
        if record.id not in seen:
            seen.add(record.id)
            yield record


def _ends(books: Books, id: str) -> tuple[str, ...]:
    if id in books.ledger.returns:
        return ("returned",) if returns.all_came_back(books, id) else ("delivered",)
    if id in books.ledger.stopped or id in goods.all_lost(books):
        return ("cancelled",)
    return ("delivered", "rejected", *(("cancelled",) if id in books.ledger.withdrawn else ()))


def _erased(books: Books) -> set[str]:
    """The keys of events about erased customers, and guests who became part of an account: their ids, and those of
    their orders."""
    people = {record.key for record in books.records if record.type in (UserErased.type, UserMerged.type)}
    return people | {str(row["id"]) for row in books.rows["orders"] if str(row["customer_id"]) in people}


def _step_of(record: Record) -> str:
    return record.type.removeprefix("mart.").rpartition(".v")[0]


def _notifies(record: Record) -> bool:
    model = by_type(record.type)
    return model is not None and model.notifies_customer
