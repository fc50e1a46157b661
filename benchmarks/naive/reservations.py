"""Reserving stock as most people write it: objects of the ORM, and one transaction for each message."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlmodel import Session, col, select

import inventory_service.models  # noqa: F401  # the other ends of foreign keys
from benchmarks.naive.models import InboxEntry, OutboxEntry
from contracts.events.inventory_deduction import (
    LackingProduct,
    ReservationAccepted,
    ReservationRejected,
    ReservationRequested,
)
from inventory_service.reservations.models import Reservation, ReservationLine, ReservationStatus
from inventory_service.stock.models import StockLevel
from service_kit.clock import utcnow

Levels = Mapping[UUID, Sequence[StockLevel]]


def handle(session: Session, event_id: UUID, event: ReservationRequested) -> bool:
    """Reserves all lines or none, once however often the event comes; whether it was new."""
    if session.get(InboxEntry, event_id) is not None:
        session.rollback()
        return False
    now = utcnow()
    session.add(InboxEntry(event_id=event_id, topic=event.topic.name, received_at=now))
    levels = _locked(session, event)
    lacking = _lacking(event, levels)
    session.add(
        Reservation(
            order_id=event.order_id,
            status=ReservationStatus.REJECTED if lacking else ReservationStatus.RESERVED,
            version=1,
            reserved_until=event.reserved_until,
            lacking=[each.model_dump(mode="json") for each in lacking],
            created_at=now,
        )
    )
    answer: ReservationAccepted | ReservationRejected
    if lacking:
        answer = ReservationRejected(order_id=event.order_id, lines=lacking, version=1)
    else:
        session.add_all(_held(event, levels))
        answer = ReservationAccepted(order_id=event.order_id, reserved_until=event.reserved_until, version=1)
    session.add(OutboxEntry.of(answer, now))
    session.commit()
    return True


def _locked(session: Session, event: ReservationRequested) -> Levels:
    statement = (
        select(StockLevel)
        .where(col(StockLevel.product_id).in_({line.product_id for line in event.lines}))
        .order_by(col(StockLevel.product_id), col(StockLevel.warehouse_id))
        .with_for_update()
    )
    found: defaultdict[UUID, list[StockLevel]] = defaultdict(list)
    for level in session.exec(statement):
        found[level.product_id].append(level)
    return found


def _lacking(event: ReservationRequested, levels: Levels) -> list[LackingProduct]:
    wanted: Counter[UUID] = Counter()
    for line in event.lines:
        wanted[line.product_id] += line.quantity
    available = {product: sum(level.available for level in levels[product]) for product in wanted}
    return [
        LackingProduct(product_id=product, requested=quantity, available=available[product])
        for product, quantity in wanted.items()
        if quantity > available[product]
    ]


def _held(event: ReservationRequested, levels: Levels) -> list[ReservationLine]:
    """Of each line what a warehouse has, and the rest of the next."""
    held = []
    for position, line in enumerate(event.lines):
        missing = line.quantity
        for level in levels[line.product_id]:
            if part := min(missing, level.available):
                missing -= part
                level.reserved += part
                level.version += 1
                level.to_publish = True
                held.append(
                    ReservationLine(
                        order_id=event.order_id,
                        position=position,
                        warehouse_id=level.warehouse_id,
                        product_id=line.product_id,
                        quantity=part,
                    )
                )
    return held
