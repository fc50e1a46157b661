"""When the broker rejects a producer's sequence number, the relay recovers, and no event is lost or out of order."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

from aiokafka.errors import OutOfOrderSequenceNumber

from service_kit.messaging import outbox
from service_kit.messaging.connection import KafkaConnection
from service_kit.messaging.producer import Outcome, Producer
from service_kit.messaging.relay import Relay
from service_kit.tests.messaging.shop import QUICK, Shop, eventually, paid
from service_kit.tests.messaging.test_relay_ahead import TOPIC, UNPUBLISHED, version_of


class Skips(Producer):
    """Skips sequence numbers before its second group, as if the broker had lost a batch."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.outcomes: list[Outcome] = []

    async def publish(self, rows: Any) -> Outcome:
        if len(self.outcomes) == 1:
            assert self._client is not None
            numbers = self._client._txn_manager._sequence_numbers
            for place in list(numbers):
                numbers[place] += 7
        self.outcomes.append(await super().publish(rows))
        return self.outcomes[-1]


async def add_to_outbox(shop: Shop, order: UUID, version: int) -> None:
    async with shop.orders.transaction() as tx:
        await outbox.add(tx, paid(order, version))


async def test_a_rejected_sequence_number_only_causes_a_new_producer(shop: Shop) -> None:
    orders = [uuid4() for _ in range(5)]
    producer = Skips(KafkaConnection.plain(shop.kafka), shop.prefix, 8.0)
    relay = Relay(shop.orders, producer, QUICK)
    running = asyncio.create_task(relay.run())

    async def all_published() -> bool:
        return not await shop.value(shop.orders, UNPUBLISHED)

    for version in range(1, 5):
        for order in orders:
            await add_to_outbox(shop, order, version)
        await eventually(all_published)
    relay.stop()
    await running
    assert any(isinstance(outcome.failure, OutOfOrderSequenceNumber) for outcome in producer.outcomes), [
        outcome.failure for outcome in producer.outcomes
    ]
    records = await shop.records(TOPIC, 20)
    for order in orders:
        mine = [version_of(record.value) for record in records if record.key == str(order).encode()]
        assert list(dict.fromkeys(mine)) == [1, 2, 3, 4]
