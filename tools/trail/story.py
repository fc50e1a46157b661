"""Makes the steps of a trail from rows, events and the gateway's books, each with what it waited for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tools.trail.books import Entry
from tools.trail.events import Events
from tools.trail.step import Step, Wait, in_order
from tools.trail.tables import Rows

# The gateway's name in our own payments. Others were reported by an outside system on Kafka, with its name.
OUR_GATEWAY = "sandbox"


@dataclass(frozen=True)
class Timeline:
    """Each method makes the steps of one system; `steps` sorts them by time."""

    order: Any
    rows: Mapping[str, Rows]
    events: Events
    books: Sequence[Entry]

    def steps(self, now: datetime, kafka_was_read: bool) -> list[Step]:
        steps = [*self.events.steps(now, kafka_was_read), *self._order(), *self._money(), *self._gateway()]
        return in_order([*steps, *self._inventory(), *self._notification()])

    # --- order ---

    def _order(self) -> Iterator[Step]:
        before, at = None, self.order.created_at
        for entry in self.rows["history"]:
            # The time of an entry was read before it waited for the order's lock, so only the sequence is reliable.
            at = max(at, entry.at)
            yield Step(at, "order", _transition(entry), self._why_moved(entry, before))
            before = entry

    def _why_moved(self, entry: Any, before: Any) -> Wait | None:
        if before is None:
            return None
        if entry.actor in ("customer", "staff"):
            return Wait.since(before.at, entry.at, f"{entry.trigger} by {entry.actor}")
        if entry.actor == "clock":
            return Wait.since(before.at, entry.at, entry.trigger)
        event = entry.trigger.removeprefix("last ").removeprefix("every ")
        consumed = self.events.consumed_by("order", event, entry.at)
        return Wait.since(consumed, entry.at, "order's work")

    def _money(self) -> Iterator[Step]:
        payable_since = [entry.at for entry in self.rows["history"] if entry.to_status == "awaiting_payment"][:1]
        for payment in self.rows["payments"]:
            who, at = self._payer(payment), payment.created_at
            since = max((time for time in payable_since if time <= at), default=None)
            wait = Wait.since(since, at, f"payment by {who}")
            yield Step(at, "order", f"payment of {_amount(payment)} opened by {who}", wait)
            yield from self._settled("payment", payment)
            if payment.settled_at:
                payable_since.append(payment.settled_at)
        paid_at = {payment.id: payment.settled_at for payment in self.rows["payments"]}
        for refund in self.rows["refunds"]:
            why = f": {refund.reason}" if refund.reason else ""
            who, since = ("staff", paid_at.get(refund.payment_id)) if refund.requested_by else ("itself", None)
            wait = Wait.since(since, refund.created_at, "refund by staff")
            yield Step(refund.created_at, "order", f"refund of {_amount(refund)} requested by {who}{why}", wait)
            yield from self._settled("refund", refund)

    def _settled(self, kind: str, row: Any) -> Iterator[Step]:
        if row.settled_at:
            sent_at = next((each.made_at for each in self.books if each.idempotency_key == f"{kind}-{row.id}"), None)
            why = f": {row.failure_reason}" if row.failure_reason else ""
            wait = Wait.since(sent_at or row.created_at, row.settled_at, "the gateway's word")
            yield Step(row.settled_at, "order", f"{kind} of {_amount(row)} {row.status}{why}", wait)

    def _payer(self, payment: Any) -> str:
        if payment.opened_by is not None:
            return "customer" if payment.opened_by == self.order.customer_id else "staff"
        return "its own token" if payment.gateway == OUR_GATEWAY else str(payment.gateway)

    # --- the gateway ---

    def _gateway(self) -> Iterator[Step]:
        asked = {f"payment-{row.id}": row.created_at for row in self.rows["payments"]}
        asked |= {f"refund-{row.id}": row.created_at for row in self.rows["refunds"]}
        for entry in self.books:
            kind = f"charge of {_amount(entry)} with {entry.token}" if entry.token else f"refund of {_amount(entry)}"
            # The gateway's time has whole milliseconds.
            at = max(asked.get(entry.idempotency_key, entry.made_at), entry.made_at)
            wait = Wait.since(asked.get(entry.idempotency_key), at, "order → gateway")
            yield Step(at, "gateway", f"{kind}: {entry.status} now", wait)

    # --- inventory ---

    def _inventory(self) -> Iterator[Step]:
        for reservation in self.rows["reservations"]:
            yield Step(reservation.created_at, "inventory", f"reservation decided: {reservation.status} now")
        for shipment in self.rows["shipments"]:
            yield from self._parcel(shipment)
        for movement in self.rows["movements"]:
            what = f"{_count(movement.pieces, 'piece')} of {_count(movement.products, 'product')} out of stock"
            yield Step(movement.created_at, "inventory", what)
        for back in self.rows["returns"]:
            yield from self._return(back)

    def _return(self, back: Any) -> Iterator[Step]:
        name = f"return {back.id.hex[-4:]}"
        pieces = sum(line["quantity"] for line in back.lines)
        yield Step(back.created_at, "inventory", f"{name} expected: {_count(pieces, 'piece')}")
        if back.received_at:
            restocked, scrapped = (sum(line[what] for line in back.lines) for what in ("restocked", "scrapped"))
            what = (
                f"{name} received in {back.warehouse}: {_count(restocked, 'piece')} into stock, {scrapped:,} as scrap"
            )
            yield Step(back.received_at, "inventory", what, Wait.since(back.created_at, back.received_at, "the goods"))
        if back.closed_at:
            wait = Wait.since(back.created_at, back.closed_at, "the goods, in vain")
            yield Step(back.closed_at, "inventory", f"{name} closed: nothing came", wait)

    def _parcel(self, shipment: Any) -> Iterator[Step]:
        name = f"parcel {shipment.number}-{shipment.id.hex[-4:]}"
        pieces = sum(line["quantity"] for line in shipment.lines)
        gone = ", cancelled now" if shipment.status == "cancelled" else ""
        what = f"{name} to be sent from {shipment.warehouse}: {_count(pieces, 'piece')}{gone}"
        yield Step(shipment.created_at, "inventory", what)
        if shipment.dispatched_at:
            wait = Wait.since(shipment.created_at, shipment.dispatched_at, "dispatch by staff")
            first, *corrected = _carried(shipment)
            yield Step(shipment.dispatched_at, "inventory", f"{name} dispatched with {first}", wait)
            for correction, right in zip(shipment.corrections, corrected, strict=True):
                at = datetime.fromisoformat(correction["corrected_at"])
                yield Step(at, "inventory", f"{name} corrected: it went with {right}")
        delivered = shipment.delivered_at, "delivered", "the parcel's arrival"
        lost = shipment.lost_at, "lost by the carrier", "the parcel, in vain"
        for at, what, waited_for in (delivered, lost):
            if at:
                yield Step(at, "inventory", f"{name} {what}", Wait.since(shipment.dispatched_at, at, waited_for))

    # --- notification ---

    def _notification(self) -> Iterator[Step]:
        inbox = self.events.consumed["notification"]
        for note in self.rows["notifications"]:
            consumed = inbox.get(note.event_id)
            if note.told_at is None:
                yield Step(consumed or note.created_at, "notification", f"{note.kind} waits for the customer's data")
                continue
            late = consumed is not None and note.told_at > consumed
            wait = Wait.since(consumed, note.told_at, "the customer to be known") if late else None
            yield Step(note.told_at, "notification", f"customer notified of {note.kind}", wait)
        for mail in self.rows["deliveries"]:
            what = f"{mail.channel} of {mail.kind} to {mail.address}: {mail.status}"
            attempts = f", {mail.attempts} attempts" if mail.attempts > 1 else ""
            why = f" ({mail.error})" if mail.error else ""
            wait = Wait.since(mail.created_at, mail.sent_at, "mail server") if mail.sent_at else None
            yield Step(mail.sent_at or mail.created_at, "notification", f"{what}{attempts}{why}", wait)


def _transition(entry: Any) -> str:
    who = "the clock" if entry.actor == "clock" else entry.actor
    if entry.from_status is None:
        return f"{entry.trigger} by {who}: {entry.to_status}"
    if entry.from_status == entry.to_status:
        return f"stays {entry.to_status} ({entry.trigger}, {who})"
    why = f": {entry.reason}" if entry.reason else ""
    return f"{entry.from_status} → {entry.to_status} ({entry.trigger}, {who}{why})"


def _carried(shipment: Any) -> list[str]:
    """Carrier and number at the dispatch and after each correction. A correction has the values before it."""
    before = [f"{was['carrier']} {was['tracking_number']}" for was in shipment.corrections]
    return [*before, f"{shipment.carrier} {shipment.tracking_number}"]


def _amount(row: Any) -> str:
    """The amount in minor units, as in all tables."""
    return f"{row.amount:,} minor {row.currency}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
