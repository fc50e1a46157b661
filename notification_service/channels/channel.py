"""What the sending of notifications needs to know of a channel."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from service_kit.queue import Backoff, Claimed
from service_kit.runtime import Runtime


class ChannelName(StrEnum):
    """The channels that customers can be reached by, beside the inbox."""

    EMAIL = "email"


@dataclass(frozen=True)
class Message(Claimed):
    """A claimed delivery, with its notification and the present data of the customer. `withheld`: why it may not be
    sent yet, or None. `in_order`: it must be sent after earlier ones of the same customer."""

    event_id: UUID
    kind: str
    customer_id: UUID
    address: str
    full_name: str
    email_verified: bool
    title: str
    body: str
    facts: dict[str, Any]
    happened_at: datetime
    withheld: str | None
    in_order: bool


@dataclass(frozen=True)
class Channel:
    """A way to reach customers outside the inbox. Each message that it sends is a delivery.

    Three attributes are SQL. `condition`: which notifications it sends; it may use `added` (the notifications that a
    statement adds), `recipient` and `preferences` (may be NULL). `address`: the present address. `withheld`: why
    nothing may be sent there yet, or NULL. These two may use only `recipient`.

    `disabled_kinds`: the column of `preferences` with the kinds that the customer does not want. `concurrency`: how
    many messages are sent at a time. `send` returns when the message was accepted for delivery. It raises
    TemporaryFailure, PermanentFailure, or Unreachable if the whole channel has failed.
    """

    name: ChannelName
    condition: str
    address: str
    withheld: str
    disabled_kinds: str
    backoff: Backoff
    concurrency: Callable[[Runtime], int]
    send: Callable[[Runtime, Message], Awaitable[None]]
