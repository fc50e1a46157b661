"""A handler with a wrong signature is rejected at start-up."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from contracts.events.order_notification import OrderCancelled, OrderPaid
from contracts.events.users import UserErased
from service_kit.database import Session, Transaction
from service_kit.messaging import Envelope, consumes
from service_kit.messaging.subscriptions import WrongSubscription, gather
from service_kit.tests.messaging.shop import module


@consumes(OrderPaid)
async def hot(tx: Transaction, event: OrderPaid) -> None:
    """Valid."""


@consumes(OrderCancelled, batch=True)
async def transaction_batch(tx: Transaction, events: list[OrderCancelled], envelopes: list[Envelope]) -> None:
    """Valid."""


@consumes(UserErased)
async def session(tx: Session, event: UserErased, envelope: Envelope) -> None:
    """Valid: another topic may use the other kind of session."""


@consumes(OrderCancelled)
async def other_session(tx: Session, event: OrderCancelled) -> None:
    """Valid alone; with `hot`, its topic would have both kinds of session."""


@consumes(OrderPaid)
async def duplicate(tx: Transaction, event: OrderPaid) -> None:
    """Valid alone; with `hot`, its event would have two handlers."""


@consumes(OrderPaid)
async def wrong_event(tx: Transaction, event: OrderCancelled) -> None:
    """Its parameter has another type than the event that it subscribes to."""


@consumes(OrderPaid, batch=True)
async def not_a_list(tx: Transaction, event: OrderPaid) -> None:
    """It takes one event, but subscribes to batches."""


@consumes(OrderPaid, batch=True)
@consumes(OrderCancelled)
async def both_ways(tx: Transaction, event: list[OrderPaid] | OrderCancelled) -> None:
    """It subscribes to two events in different ways, so its parameter cannot have one type."""


@consumes(OrderPaid)
async def no_session(tx: Any, event: OrderPaid) -> None:
    """Its first parameter is not annotated as a session."""


@consumes(OrderPaid)
async def too_many(tx: Transaction, event: OrderPaid, envelope: Envelope, more: int) -> None:
    """It has a parameter that the processor cannot fill."""


def test_valid_handlers_are_collected_by_topic() -> None:
    found = gather([module(hot, transaction_batch, session)])
    assert {name: set(each.handlers) for name, each in found.items()} == {
        "order_notification": {OrderPaid.type, OrderCancelled.type},
        "users": {UserErased.type},
    }
    assert found["order_notification"].in_transaction
    assert not found["users"].in_transaction


@pytest.mark.parametrize(
    ("handlers", "complaint"),
    [
        ((hot, duplicate), "handled twice"),
        ((hot, other_session), "or both a Transaction"),
        ((wrong_event,), "must be annotated OrderPaid"),
        ((not_a_list,), r"must be annotated list\[OrderPaid\]"),
        ((no_session,), "Session or Transaction"),
        ((too_many,), "takes"),
        ((both_ways,), r"must be annotated list\[OrderPaid\]"),
    ],
)
def test_a_wrong_handler_is_named(handlers: tuple[Callable[..., Awaitable[None]], ...], complaint: str) -> None:
    with pytest.raises(WrongSubscription, match=complaint):
        gather([module(*handlers)])
