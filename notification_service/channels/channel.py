"""The interface of channels, which send notifications to customers."""

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
    """A claimed delivery: its notification, and the present data of the customer. `withheld`: why it may not be sent.
    `in_order`: it is sent after earlier ones of the same customer."""

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
    """A way to reach customers outside the inbox. Each message that it sends is a delivery.

    Some attributes are SQL. `takes`: the condition of the notifications that it sends, which reads `added` (the
    notifications of one statement), their `recipient`, and the customer's `preferences`, which may be missing.
    `address`: the present address, and `withheld`: why nothing may be sent there yet, else NULL; both read the
    `recipient` alone. `disabled_kinds`: the column of `preferences` with the kinds that the customer turned off.

    `send` returns once the message was accepted for delivery. Raises: TemporaryFailure, PermanentFailure (of this
    message), Unreachable (of the channel as a whole). `concurrency`: how many messages it sends at a time.
    """

    name: ChannelName
    takes: str
    address: str
    withheld: str
    disabled_kinds: str
    backoff: Backoff
    concurrency: Callable[[Runtime], int]
    send: Callable[[Runtime, Message], Awaitable[None]]
