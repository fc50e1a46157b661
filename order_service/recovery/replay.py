"""Replays each order that the service has published events about since the moment of the restore."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from contracts.events.base import Event
from contracts.events.order_notification import OrderEvent, OrderPlaced
from contracts.events.payment_status import RefundRequested
from contracts.topics import INVENTORY_DEDUCTION, ORDER_NOTIFICATION, PAYMENT_STATUS
from order_service.fulfilment import consumers as fulfilment
from order_service.payments import consumers as payments
from order_service.recovery import queries
from order_service.recovery.commands import FUNCTIONS
from order_service.returns import consumers as returns
from order_service.settings import Settings
from service_kit.database import Transaction
from service_kit.messaging.subscriptions import gather
from service_kit.recovery import JUMP, Journal
from service_kit.replay import Replay, Rules, event_of, same_thing

# Money comes before what follows from it.
PRECEDENCE = {PAYMENT_STATUS.name: 0, ORDER_NOTIFICATION.name: 1, INVENTORY_DEDUCTION.name: 2}


async def recover(tx: Transaction, journal: Journal, settings: Settings) -> None:
    """The service's part of the recovery."""
    await _raise_versions(tx, journal)
    outside = {PAYMENT_STATUS.name: settings.trusted_payment_sources}
    subscriptions = gather([fulfilment, returns, payments], outside)
    rules = Rules(subscriptions, FUNCTIONS, _same, _adopt, PRECEDENCE, _withdraw_part)
    await Replay(tx, journal, rules, settings).run(journal.own, journal.others)
    placed = [event for event in map(event_of, journal.own) if isinstance(event, OrderPlaced)]
    unpaid = await queries.WITHOUT_TOKEN.fetch(tx, ids=[event.order_id for event in placed])
    journal.note("recovered and unpaid: payment tokens are lost, ask their customers to pay", *(id for (id,) in unpaid))
    dropped = await queries.DROP_DRAFTS.fetch(tx, customer_ids=list({event.customer_id for event in placed}))
    journal.note("drafts dropped: they may be among the recovered orders", *(id for (id,) in dropped))
    await _jump(tx, journal)


def _same(event: Event) -> tuple[Any, ...]:
    """The replay makes refunds with new ids."""
    if isinstance(event, RefundRequested):
        return event.type, event.payment_id, event.amount.amount
    return same_thing(event)


async def _adopt(tx: Transaction, event: Event, original: Event) -> None:
    """A refund gets back its id, the gateway's idempotency key, so that it is never made twice."""
    if isinstance(event, RefundRequested) and isinstance(original, RefundRequested):
        await queries.RENAME_REFUND.execute(tx, id=event.refund_id, to=original.refund_id)


async def _withdraw_part(tx: Transaction, event: Event, published: Iterable[Event]) -> bool:
    """Parcels that were lost together have one refund. Without the refund of one parcel, the replay makes the whole one
    when it comes to the last parcel, or to the event that requests it."""
    if not isinstance(event, RefundRequested):
        return False
    whole = [
        each for each in published
        if isinstance(each, RefundRequested)
        and (each.payment_id, each.reason) == (event.payment_id, event.reason)
        and each.amount.amount > event.amount.amount
    ]  # fmt: skip
    if whole:
        await queries.WITHDRAW_REFUND.execute(tx, id=event.refund_id)
    return bool(whole)


async def _raise_versions(tx: Transaction, journal: Journal) -> None:
    """First, so that every step of the replay has a version above all that were published."""
    orders: dict[UUID, int] = {}
    for topic in (ORDER_NOTIFICATION, INVENTORY_DEDUCTION):
        for id, version in journal.newest_versions(topic).items():
            orders[id] = max(version, orders.get(id, 0))
    payments = journal.newest_versions(PAYMENT_STATUS)
    await queries.RAISE_ORDERS.execute(tx, ids=list(orders), versions=list(orders.values()))
    await queries.RAISE_PAYMENTS.execute(tx, ids=list(payments), versions=list(payments.values()))


async def _jump(tx: Transaction, journal: Journal) -> None:
    numbers = [int(event.number) for event in map(event_of, journal.own) if isinstance(event, OrderEvent)]
    await queries.JUMP_ORDERS.execute(tx, jump=JUMP)
    await queries.JUMP_CARTS.execute(tx, jump=JUMP)
    await queries.JUMP_NUMBERS.fetch(tx, jump=JUMP, seen=max(numbers, default=0))
