"""The CPU time of an order in all five services, compared with its lower limit, PostgreSQL and Kafka (`floor.py`)."""

import asyncio
from collections.abc import Mapping

from benchmarks import floor
from benchmarks.cases.whole_flow import cpu_seconds, flow
from benchmarks.figures import Result, Row, Spread, ratio
from benchmarks.goods import Draw
from benchmarks.load.delivery import Child, Plan
from benchmarks.market import Market, market
from benchmarks.stage import Stage, connected
from contracts import topics

ORDERS = 300
RECORDED_ORDERS = 150
ROUNDS = 3
RECORDS = 20_000
PUBLISHED = "SELECT coalesce(max(id), 0) FROM outbox"
BY_TOPIC = "SELECT topic, count(*) FROM outbox WHERE id > $1 GROUP BY topic"
READERS = {topic.name: len(topic.readers) for topic in vars(topics).values() if isinstance(topic, topics.Topic)}
WANTED = 3.0


async def measure(stage: Stage) -> Result:
    async with market(stage) as place:
        used = await _used(place)
    await stage.shop_down()
    templates = await floor.copies(stage.shop, stage.superuser_url)
    async with market(stage) as place:
        scripts, sent, fetched = await _recorded(stage, place)
    await stage.shop_down()
    replayed = [await floor.replay(stage.shop, stage.superuser_url, scripts, templates) for _ in range(ROUNDS)]
    to_send, to_fetch = await _records(stage)
    kafka = 1000 * (sent * to_send + fetched * to_fetch)
    least = [1000 * each / RECORDED_ORDERS + kafka for each in replayed]
    share = ratio(used, least)
    row = Row(
        "whole flow, 3 lines: CPU time over all processes", Spread.of(used), "ms/order",
        "PostgreSQL and Kafka alone", Spread.of(least), share,
    )  # fmt: skip
    goal = Row("whole flow, 3 lines: times its floor", share, "×", "wanted at most", Spread.of([WANTED]))
    return Result({"whole_flow_cpu_vs_floor": round(share.median, 2)}, [row, goal])


async def _used(place: Market) -> list[float]:
    """Milliseconds per order in each round, without the warm-up round."""
    used = []
    for number in range(ROUNDS + 1):
        before = sum(cpu_seconds(place).values())
        await flow(place, Draw(seed=number), 3, ORDERS)
        used.append(1000 * (sum(cpu_seconds(place).values()) - before) / ORDERS)
    return used[1:]


async def _recorded(stage: Stage, place: Market) -> tuple[dict[str, list[str]], float, float]:
    """Records the statements by database, and counts the records that are sent and fetched for each order."""
    before = {service: await place.value(service, PUBLISHED) for service in floor.SERVICES}
    log = floor.StatementLog(stage.shop, stage.superuser_url)
    await log.start()
    await flow(place, Draw(seed=99), 3, RECORDED_ORDERS)
    scripts = await log.stop()
    sent = fetched = 0
    for service, last in before.items():
        for topic, count in (await _by_topic(place, service, last)).items():
            sent, fetched = sent + count, fetched + count * READERS.get(topic, 1)
    return scripts, sent / RECORDED_ORDERS, fetched / RECORDED_ORDERS


async def _by_topic(place: Market, service: str, last: int) -> Mapping[str, int]:
    async with connected(place.shop.database_url(service)) as connection:
        return {row[0]: row[1] for row in await connection.fetch(BY_TOPIC, last)}


async def _records(stage: Stage) -> tuple[float, float]:
    """The seconds of CPU time that broker and client need to send a record, and to fetch one."""
    prefix = await asyncio.to_thread(stage.topics)
    database = await stage.database("order_service")
    plans = [Plan(role, database, stage.bootstrap_servers, prefix) for role in ("publish", "fetch")]
    async with Child.running(plans[0]) as publisher, Child.running(plans[1]) as consumer:
        await publisher.ask(do="send", count=RECORDS)  # warms up the broker and the client
        await consumer.ask(do="start")
        await consumer.ask(do="fetch", count=RECORDS)
        sending = await _cost(stage, publisher, do="send", count=RECORDS)
        fetching = await _cost(stage, consumer, do="fetch", count=RECORDS)
    return sending / RECORDS, fetching / RECORDS


async def _cost(stage: Stage, child: Child, **order: object) -> float:
    processes = (stage.shop.pid("kafka"), child.pid)
    before = sum(map(floor.cpu_of, processes))
    await child.ask(**order)
    return sum(map(floor.cpu_of, processes)) - before
