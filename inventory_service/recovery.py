"""Recovers reservations, shipments, returns and stock, after the database was restored to an earlier moment.

Requests of the order service are answered again, and the service's own events tell what warehouses did: parcels that
left, arrived or were lost, and returns. Receipts and adjustments of stock have no event of their own. They are the
difference between the published levels and everything else, and are booked as one adjustment of each level; the
supplier, the cost and the batches with their dates must be booked by staff.
"""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from contracts.events import inventory_deduction as answers
from contracts.events import shipment_notification as parcels
from contracts.events.base import Event
from contracts.events.stock_levels import StockChanged
from contracts.topics import INVENTORY_DEDUCTION, SHIPMENT_NOTIFICATION, STOCK_LEVELS
from inventory_service.reservations import consumers as reservations
from inventory_service.returns import consumers as returns_consumers
from inventory_service.returns import use_cases as returns
from inventory_service.returns.models import ReceivedQuantity
from inventory_service.settings import Settings
from inventory_service.shipments import consumers as shipments_consumers
from inventory_service.shipments import use_cases as shipments
from inventory_service.shipments.use_cases import Parcel
from inventory_service.stock import queries as stock
from inventory_service.stock.batch_queries import Place
from inventory_service.stock.models import MovementKind, StockMovement
from service_kit.clock import utcnow
from service_kit.database import Connection, Statement, Transaction
from service_kit.messaging.subscriptions import gather
from service_kit.recovery import JUMP, Journal, Recovery
from service_kit.replay import Repeat, Repeated, Replay, Rules, event_of, same_thing

NOBODY = UUID(int=0)
"""Stands for whoever booked it: events don't name them."""
PRECEDENCE = {SHIPMENT_NOTIFICATION.name: 0, INVENTORY_DEDUCTION.name: 1, STOCK_LEVELS.name: 2}
ANSWERS: dict[type[Event], tuple[type[Event], ...]] = {
    answers.ReservationRequested: (answers.ReservationAccepted, answers.ReservationRejected),
    answers.ReleaseRequested: (answers.ReservationReleased, answers.ReleaseRefused),
}
"""So the last piece goes to the order that got it, and a parcel that left before its release was handled has left."""
QUIET = timedelta(milliseconds=200)
"""A level counts if so long before it nothing left the warehouse: the event of a dispatch has its time before its
commit, so that a level in between may lack it."""

_ON_HAND = Statement("SELECT on_hand FROM stock WHERE (product_id, warehouse_id) = (:product_id, :warehouse_id)")
_RENAME_SHIPMENT = Statement("UPDATE shipments SET id = :to::uuid WHERE id = :id::uuid")
_RAISE_RESERVATIONS = Statement("""
UPDATE reservations SET version = greatest(reservations.version, seen.version) + :jump::int
FROM unnest(:ids::uuid[], :versions::bigint[]) AS seen (id, version) WHERE reservations.order_id = seen.id
""")
_RAISE_PARCELS = [
    Statement(f"""
UPDATE {table} SET version = greatest({table}.version, seen.version)
FROM unnest(:ids::uuid[], :versions::int[]) AS seen (id, version) WHERE {table}.id = seen.id
""")  # noqa: S608 (no input in it)
    for table in ("shipments", "returns")
]
# The published version of a product is the sum over its warehouses.
_JUMP_LEVELS = Statement("""
UPDATE stock SET version = stock.version + :jump::int + coalesce(
    (SELECT seen.version FROM unnest(:ids::uuid[], :versions::bigint[]) AS seen (id, version)
     WHERE seen.id = stock.product_id), 0), to_publish = true
""")


async def recover(tx: Transaction, journal: Journal, settings: Settings) -> None:
    await _book_receipts(tx, journal)
    subscriptions = gather([reservations, returns_consumers, shipments_consumers])
    rules = Rules(subscriptions, FUNCTIONS, _same, _adopt, PRECEDENCE, answers=ANSWERS)
    own = [entry for entry in journal.own if entry.record.topic != STOCK_LEVELS.name]
    await Replay(tx, journal, rules, settings).run(own, journal.others)
    await _jump(tx, journal)


async def _book_receipts(tx: Transaction, journal: Journal) -> None:
    """First, so that the stock suffices for what was reserved of it."""
    for (product_id, warehouse_id), (on_hand, moved) in _levels(journal).items():
        before = await _ON_HAND.fetchval(tx, product_id=product_id, warehouse_id=warehouse_id) or 0
        if not (difference := on_hand - moved - before):
            continue
        await stock.lock_level(tx, Place(product_id, warehouse_id))
        await stock.adjust(
            tx,
            StockMovement(
                product_id=product_id,
                warehouse_id=warehouse_id,
                kind=MovementKind.ADJUSTMENT,
                quantity=difference,
                reason=f"booked after {journal.moment:%Y-%m-%d %H:%M:%S} UTC, to which the database was restored",
                booked_by=NOBODY,
            ),
        )
        journal.note("levels adjusted: book their receipts and batches", f"{product_id} in {warehouse_id}")


def _levels(journal: Journal) -> dict[tuple[UUID, UUID], tuple[int, int]]:
    """By product and warehouse: the last published level, and by how much parcels and returns changed it before."""
    moved: Counter[tuple[UUID, UUID]] = Counter()
    found: dict[tuple[UUID, UUID], tuple[int, int]] = {}
    left: dict[UUID, datetime] = {}
    for entry in journal.own:
        event = event_of(entry)
        if isinstance(event, StockChanged):
            is_quiet = entry.envelope.time - left.get(event.product_id, journal.moment) > QUIET
            for level in event.warehouses:
                place = event.product_id, level.warehouse_id
                if is_quiet or place not in found:
                    found[place] = level.on_hand, moved[place]
        elif isinstance(event, answers.StockDeducted):
            for line in event.lines:
                moved[line.product_id, event.warehouse_id] -= line.quantity
                left[line.product_id] = entry.envelope.time
        elif isinstance(event, parcels.ReturnReceived):
            for received in event.lines:
                moved[received.product_id, event.warehouse_id] += received.restocked
    return found


def _same(event: Event) -> tuple[Any, ...]:
    """The replay makes shipments with new ids; an order has one from each warehouse."""
    if isinstance(event, parcels.ShipmentCreated):
        return event.type, event.warehouse_id
    return same_thing(event)


async def _adopt(tx: Transaction, event: Event, original: Event) -> None:
    if isinstance(event, parcels.ShipmentCreated) and isinstance(original, parcels.ShipmentCreated):
        await _RENAME_SHIPMENT.execute(tx, id=event.shipment_id, to=original.shipment_id)


async def _jump(tx: Transaction, journal: Journal) -> None:
    reserved, levels = journal.newest_versions(INVENTORY_DEDUCTION), journal.newest_versions(STOCK_LEVELS)
    await _RAISE_RESERVATIONS.execute(tx, ids=list(reserved), versions=list(reserved.values()), jump=JUMP)
    sent = journal.newest_versions(SHIPMENT_NOTIFICATION)
    for raise_versions in _RAISE_PARCELS:
        await raise_versions.execute(tx, ids=list(sent), versions=list(sent.values()))
    await _JUMP_LEVELS.execute(tx, ids=list(levels), versions=list(levels.values()), jump=JUMP)


async def _dispatch(of: Repeated, event: parcels.ShipmentDispatched) -> None:
    parcel = Parcel(event.shipment_id, event.carrier, event.tracking_number, event.tracking_url, confirm_refunded=True)
    await shipments.dispatch(_in(of.tx), parcel, NOBODY)


async def _deliver(of: Repeated, event: parcels.ShipmentDelivered) -> None:
    await shipments.deliver(_in(of.tx), event.shipment_id)


async def _lose(of: Repeated, event: parcels.ShipmentLost) -> None:
    await shipments.lose(_in(of.tx), event.shipment_id)


async def _correct(of: Repeated, event: parcels.ShipmentCorrected) -> None:
    right = event.carrier, event.tracking_number, event.tracking_url
    await shipments.correct(_in(of.tx), event.shipment_id, lambda shipment: shipment.correct(*right, NOBODY, utcnow()))


async def _receive(of: Repeated, event: parcels.ReturnReceived) -> None:
    came = {line.product_id: ReceivedQuantity(line.restocked, line.scrapped) for line in event.lines}
    await returns.receive(of.tx, event.return_id, event.warehouse_id, came, {}, NOBODY)


async def _close(of: Repeated, event: parcels.ReturnClosed) -> None:
    await returns.close(of.tx, event.return_id, NOBODY)


async def _left_to_job(of: Repeated, event: answers.ReservationExpired) -> None:
    """The job that ends reservations does it again."""


def _in(tx: Transaction) -> Connection:
    """Dispatches take a connection in autocommit, since each is one statement; here they are part of the recovery."""
    return cast(Connection, tx)


FUNCTIONS: dict[type[Event], Repeat] = {
    parcels.ShipmentDispatched: _dispatch,
    parcels.ShipmentDelivered: _deliver,
    parcels.ShipmentLost: _lose,
    parcels.ShipmentCorrected: _correct,
    parcels.ReturnReceived: _receive,
    parcels.ReturnClosed: _close,
    answers.ReservationExpired: _left_to_job,
}
RECOVERY = Recovery(recover)
