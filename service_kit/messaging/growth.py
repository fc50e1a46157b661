"""Adds partitions to a topic under load, without changing the order in which the events of a key are handled.

With more partitions, a key's next event may be in another partition than its earlier ones, and overtake those that are
still unread. So the relays of all services that write the topic are held until the services that read it have handled
everything; then the partitions are added, and the relays go on. Requests are served meanwhile: their events wait in the
outbox. If the command is killed, its leases expire; a relay that gets its lease back reads the number of partitions
again.
"""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.errors import GroupCoordinatorNotAvailableError
from aiokafka.protocol.metadata import MetadataRequest

from contracts.topics import Topic
from service_kit.database.sessions import Database
from service_kit.messaging.connection import KafkaConnection
from service_kit.messaging.lease import Lease

HANDLED_WITHIN = 120.0
"""Seconds: how long relays are held while readers handle what is there."""
LEASE_SECONDS = 15.0
"""After which relays go on if this process is killed; several times as long as a request to the broker may take."""
_REQUEST_MS = 4_000
_POLL_SECONDS = 0.1


class NotGrown(Exception):
    """The topic has as many partitions as before; the message says what to do."""


async def grow_topic(
    kafka: KafkaConnection,
    prefix: str,
    topic: Topic,
    partitions: int,
    writers: Mapping[str, Database],
    *,
    hold: float = 0,
    within: float = HANDLED_WITHIN,
) -> float:
    """Returns for how many seconds the relays were held; 0 if the topic has that many partitions already.

    `writers`: the databases of the services that write the topic. `hold`: seconds for which the relays are also held
    afterwards, for relays of a release that notices new partitions by time alone. Raises: NotGrown.
    """
    if topic.compacted:
        raise NotGrown(
            f"{topic.name} is compacted and keeps its partitions: in the former partition of a key, the old snapshots "
            "would never be deleted, also those of an erased person."
        )
    async with _connected(kafka, prefix, topic) as broker:
        count = await broker.count()
        if partitions < count:
            raise NotGrown(f"{topic.name} has {count} partitions already, and Kafka can't remove any.")
        if partitions == count:
            return 0
        began = time.monotonic()
        async with _held(writers) as relays:
            await _until_handled(relays, broker, within)
            await broker.grow(partitions)
            resumed = time.monotonic() + hold
            while await relays.still_held() and time.monotonic() < resumed:  # noqa: ASYNC110 (it renews leases)
                await asyncio.sleep(_POLL_SECONDS)
        return time.monotonic() - began


class _Broker:
    def __init__(self, admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer, name: str, groups: list[str]) -> None:
        self._admin = admin
        self._consumer = consumer
        self._name = name
        self._groups = groups

    async def count(self) -> int:
        [described] = await self._admin.describe_topics([self._name])
        if not described["partitions"]:
            raise NotGrown(f"There is no topic {self._name}: create it with `python -m service_kit topics`.")
        return len(described["partitions"])

    async def unread(self) -> dict[str, int]:
        """Group → records that it has not handled yet, of groups that have any.

        A group that has never handled anything is of a service that reads the topic from its next release on: if others
        have, it is not waited for.
        """
        places = [TopicPartition(self._name, number) for number in range(await self.count())]
        ends = await self._consumer.end_offsets(places)
        begins = await self._consumer.beginning_offsets(places)
        found = {}
        offsets = {group: await self._committed(group) for group in self._groups}
        for group, committed in offsets.items():
            if not committed and any(offsets.values()):
                continue
            done = {place: max(begins[place], committed.get(place, 0)) for place in places}
            found[group] = sum(max(0, ends[place] - done[place]) for place in places)
        return {group: count for group, count in found.items() if count}

    async def _committed(self, group: str) -> dict[TopicPartition, int]:
        try:
            offsets = await self._admin.list_consumer_group_offsets(group)
        except GroupCoordinatorNotAvailableError:  # until the first group of the cluster has joined
            return {}
        return {place: committed.offset for place, committed in offsets.items()}

    async def grow(self, partitions: int) -> None:
        """Returns when every broker knows the partitions, so that no relay reads a former number."""
        await self._admin.create_partitions({self._name: NewPartitions(partitions)})
        brokers = (await self._admin.describe_cluster())["brokers"]
        while min([await self._led(broker["node_id"]) for broker in brokers]) < partitions:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)

    async def _led(self, node: int) -> int:
        """How many partitions have a leader, as far as this broker knows."""
        answer = await self._admin._send_request(MetadataRequest([self._name]), node)
        [described] = answer.to_object()["topics"]
        return sum(partition["leader"] >= 0 for partition in described["partitions"])


class _Relays:
    def __init__(self, leases: Sequence[tuple[str, Lease, Any]]) -> None:
        self._leases = leases

    async def still_held(self) -> bool:
        """Renews the leases. Raises: NotGrown, if a relay or another command has one."""
        for service, lease, connection in self._leases:
            if not await lease.hold(connection):
                raise NotGrown(f"The relay of {service} could not be held: let nobody else run this command meanwhile.")
        return True


async def _until_handled(relays: _Relays, broker: _Broker, within: float) -> None:
    deadline = time.monotonic() + within
    while await relays.still_held() and (unread := await broker.unread()):
        if time.monotonic() > deadline:
            counts = ", ".join(f"{group} has not handled {count} events" for group, count in unread.items())
            raise NotGrown(
                f"After {within:.0f} s {counts}. Nothing was changed, and the relays go on. Run this when these "
                "services run and their metric `consumer_lag` is close to 0."
            )
        await asyncio.sleep(_POLL_SECONDS)
    await relays.still_held()


@asynccontextmanager
async def _held(writers: Mapping[str, Database]) -> AsyncIterator[_Relays]:
    """Takes the leases from the relays. What these were sending is sent again by the next owner, in the same order."""
    owner = f"grow-topic:{socket.gethostname()}:{os.getpid()}"
    async with AsyncExitStack() as stack:
        leases = []
        for service, database in writers.items():
            connection = await database.connect()
            stack.push_async_callback(connection.close)
            lease = Lease(owner, LEASE_SECONDS)
            await lease.seize(connection)
            stack.push_async_callback(lease.release, connection)
            leases.append((service, lease, connection))
        yield _Relays(leases)


@asynccontextmanager
async def _connected(kafka: KafkaConnection, prefix: str, topic: Topic) -> AsyncIterator[_Broker]:
    groups = [f"{prefix}{reader}_service" for reader in topic.readers]
    async with AsyncExitStack() as stack:
        admin = AIOKafkaAdminClient(**kafka.arguments(), request_timeout_ms=_REQUEST_MS)
        stack.push_async_callback(admin.close)
        await admin.start()
        consumer = AIOKafkaConsumer(**kafka.arguments(), group_id=None, request_timeout_ms=_REQUEST_MS)
        stack.push_async_callback(consumer.stop)
        await consumer.start()
        yield _Broker(admin, consumer, prefix + topic.name, groups)
