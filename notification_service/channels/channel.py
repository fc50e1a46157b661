"""What a channel is: one way in which a notification reaches its customer."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from service_kit.queue import Backoff, Claimed
from service_kit.runtime import Runtime


class ChannelName(StrEnum):
    """A way to reach someone outside the inbox."""

    EMAIL = "email"


@dataclass(frozen=True)
class Message(Claimed):
    """A claimed delivery: a notification, and the customer as known at this moment. `withheld`: why it may not be sent
    now. `in_order`: after those of the same customer that happened before."""

    event_id: UUID
    customer_id: UUID
    address: str
    full_name: str
    title: str
    body: str
    facts: dict[str, Any]
    happened_at: datetime
    withheld: str | None
    in_order: bool


@dataclass(frozen=True)
class Channel:
    """`takes`: the SQL condition of the notifications that go by this channel.

    Conditions and expressions of channels read `told` (the notifications of one statement, as a CTE too), their
    `recipient`, and the customer's `preferences`, which may be missing.
    """

    name: str
    takes: str


@dataclass(frozen=True)
class OutboundChannel(Channel):
    """A channel with messages to send, each of which becomes a delivery.

    `address`: the SQL expression of where to, now. `withheld`: that of why nothing may be sent there yet, else NULL;
    both read the `recipient` alone. `disabled_kinds`: the column of `preferences` with the kinds that the customer
    turned off.

    `send` returns once the message was accepted for delivery. Raises: TemporaryFailure, PermanentFailure (of this
    message), Unreachable (of the channel as a whole). `concurrency`: how many it sends at a time.
    """

    name: ChannelName
    address: str
    withheld: str
    disabled_kinds: str
    backoff: Backoff
    concurrency: Callable[[Runtime], int]
    send: Callable[[Runtime, Message], Awaitable[None]]
