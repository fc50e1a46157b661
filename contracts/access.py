"""The access control list of the broker, made from the writers and readers of the topics."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from contracts.topics import TOPICS


class Grant(NamedTuple):
    """One entry of the list. `READ` and `WRITE` include `DESCRIBE`, as Kafka defines them."""

    service: str
    resource: Literal["topic", "group"]
    name: str
    operation: Literal["READ", "WRITE"]


def grants(prefix: str = "") -> list[Grant]:
    """All entries that the services need. `prefix`: the setting `KAFKA_TOPIC_PREFIX`."""
    return sorted({Grant(grant.service, grant.resource, prefix + grant.name, grant.operation) for grant in _grants()})


def _grants() -> Iterator[Grant]:
    for topic in TOPICS:
        for writer in topic.writers:
            yield Grant(writer, "topic", topic.name, "WRITE")
        for reader in topic.readers:
            yield Grant(reader, "topic", topic.name, "READ")
            yield Grant(reader, "topic", topic.dlq.name, "WRITE")
            yield Grant(reader, "group", f"{reader}_service", "READ")
