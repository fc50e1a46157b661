"""Tables of a shop's addresses and of its state."""

from dataclasses import dataclass

import psycopg2
from aiokafka.errors import KafkaError
from rich.table import Table
from sqlalchemy import make_url

from local_stack.lag import consumer_lag
from local_stack.parts import CONSOLE, SERVICES
from local_stack.shop import Shop


@dataclass(frozen=True)
class Line:
    title: str
    state: str
    ready: bool
    lag: int | None
    outbox: int | None


def addresses(shop: Shop) -> Table:
    table = Table("What", "Where", title="Online Mart")
    if CONSOLE in shop.layout.parts:
        table.add_row(CONSOLE.title, shop.url(CONSOLE.name))
    for service in SERVICES:
        table.add_row(service.title, f"{shop.url(service.name)}/docs")
    for service in SERVICES:
        table.add_row(f"{service.title}'s metrics", f"{shop.operations_url(service.name)}/metrics")
    table.add_row("Payment gateway (sandbox)", shop.url("gateway"))
    table.add_row("Mailbox (sandbox)", shop.url("mailbox"))
    if shop.layout.shows_traces:
        table.add_row("Traces (Zipkin)", shop.url("zipkin"))
    table.add_row("Kafka", shop.bootstrap_servers)
    for service in SERVICES:
        database = make_url(shop.database_url(service.name))
        table.add_row(f"{service.title}'s database", f"{database.host}:{database.port}/{database.database}")
    return table


def status(shop: Shop) -> list[Line]:
    states = shop.states()
    lags = _lags(shop)
    lines = []
    for each in shop.layout.parts:
        state = states[each.name]
        ready = state.is_up and shop.is_ready(each.name)
        outbox = _outbox(shop, each.name) if each.kind == "service" else None
        lines.append(Line(each.title, f"{state.name.lower()}, {state.words}", ready, lags.get(each.name), outbox))
    return lines


def status_table(lines: list[Line]) -> Table:
    table = Table("Part", "Process", "Ready", "Consumer lag", "Outbox")
    for line in lines:
        table.add_row(line.title, line.state, "yes" if line.ready else "NO", _number(line.lag), _number(line.outbox))
    return table


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _lags(shop: Shop) -> dict[str, int]:
    """The consumer lag by service; empty if Kafka does not answer."""
    prefix = shop.layout.topic_prefix
    groups = {prefix + service.package: service.name for service in SERVICES}
    try:
        found = consumer_lag(shop.kafka, groups)
    except (KafkaError, OSError):
        return {}
    return {groups[group]: lag for group, lag in found.items()}


def _outbox(shop: Shop, service: str) -> int | None:
    try:
        return shop.outbox_backlog(service)
    except psycopg2.Error:
        return None
