"""A trail as a table, and summarised in one line."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from aiokafka.errors import KafkaError
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from local_stack.shop import Shop
from service_kit.telemetry.logs import printable
from tools.trail.books import Entry, read_books
from tools.trail.events import Events, merge
from tools.trail.step import Step, duration
from tools.trail.story import Timeline
from tools.trail.tables import Rows, find_order, read_inboxes, read_tables
from tools.trail.topics import ORDER_TOPICS, Published, read_topics


@dataclass(frozen=True)
class Trail:
    """The steps of an order. `missing`: sentences about systems that did not answer, whose steps are missing.
    `trace_url`: the trace of the request that placed it, if `make traces` has recorded it."""

    order: Any
    steps: Sequence[Step]
    missing: Sequence[str]
    trace_url: str | None


def follow(shop: Shop, number: int) -> Trail:
    """The trail of one order, even if Kafka or the gateway does not answer. Raises: StackError."""
    order = find_order(shop, number)
    missing: list[str] = []
    tables = read_tables(shop, order, [topic.name for topic in ORDER_TOPICS])
    records = _records(shop, order, missing)
    kafka_was_read = not missing
    events, others = merge(tables.outbox, records)
    consumed = read_inboxes(shop, [event.id for event in events])
    story = Timeline(
        order, tables.rows, Events(events, consumed, others, tables.parked), _entries(shop, order, missing)
    )
    trace_url = _trace_url(shop, tables.outbox["order"])
    return Trail(order, story.steps(datetime.now(UTC), kafka_was_read), missing, trace_url)


def _trace_url(shop: Shop, outbox: Rows) -> str | None:
    traceparent = outbox[0].traceparent if outbox and shop.layout.shows_traces else None
    if traceparent is None or not traceparent.endswith("-01"):
        return None
    return f"{shop.url('zipkin')}/zipkin/traces/{traceparent.split('-')[1]}"


def _records(shop: Shop, order: Any, missing: list[str]) -> list[Published]:
    try:
        return read_topics(shop.kafka, shop.layout.topic_prefix, str(order.id), order.created_at)
    except (KafkaError, OSError, TimeoutError) as error:
        missing.append(f"Kafka does not answer ({error!r}): events are those that the outboxes still have.")
        return []


def _entries(shop: Shop, order: Any, missing: list[str]) -> list[Entry]:
    try:
        return read_books(shop, str(order.id))
    except httpx.HTTPError as error:
        missing.append(f"The gateway does not answer ({error!r}): its charges are not shown.")
        return []


def table(trail: Trail) -> Table:
    days = {step.at.astimezone(UTC).date() for step in trail.steps}
    table = Table(title=f"Order {trail.order.number} ({trail.order.id})", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(f"{min(days)} (UTC)" if len(days) == 1 else "UTC", no_wrap=True)
    table.add_column("+ms", justify="right", no_wrap=True)
    table.add_column("Service", no_wrap=True)
    table.add_column("What", overflow="fold")
    table.add_column("Waited for", overflow="fold")
    before = trail.order.created_at
    for step in trail.steps:
        later = max((step.at - before).total_seconds() * 1000, 0)
        # Customers' texts could contain markup or control sequences of the terminal.
        table.add_row(_clock(step.at, with_day=len(days) > 1), f"{later:,.0f}", step.service,
                      Text(printable(step.what)), Text(printable(str(step.wait or ""))))  # fmt: skip
        before = step.at
    return table


def summary(trail: Trail) -> str:
    order = trail.order
    took = trail.steps[-1].at - order.created_at
    waits = [step.wait for step in trail.steps if step.wait is not None]
    longest = max(waits, key=lambda wait: wait.time, default=None)
    words = f"Order {order.number}: {order.status}, {duration(took)} from placed to the last step"
    return f"{words}; longest wait {duration(longest.time)} for {longest.what}." if longest else f"{words}."


def _clock(at: datetime, *, with_day: bool) -> str:
    text = at.astimezone(UTC).isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00")
    return text if with_day else text.partition(" ")[2]
