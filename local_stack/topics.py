"""The topics of the contracts, made on any Kafka and kept as the contracts say."""

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from contracts.topics import Topic, all_topics
from local_stack.errors import StackError
from local_stack.kafka import run
from service_kit.messaging.connection import KafkaConnection

# Asks for the cluster's own default, `default.replication.factor`.
CLUSTER_DEFAULT = -1


def create_topics(kafka: KafkaConnection, prefix: str = "") -> int:
    """Makes what is missing and brings the rest to its configuration; returns how many topics were touched.

    Raises: StackError, where a topic has fewer partitions than the contracts say.
    """
    return run(_create_topics(kafka, prefix))


async def _create_topics(kafka: KafkaConnection, prefix: str) -> int:
    wanted = {prefix + topic.name: topic for topic in all_topics()}
    client = AIOKafkaAdminClient(**kafka.arguments())
    await client.start()
    try:
        there = set(await client.list_topics())
        missing = {name: topic for name, topic in wanted.items() if name not in there}
        await _make(client, missing)
        present = {name: topic for name, topic in wanted.items() if name in there}
        return len(missing) + await _update(client, present)
    finally:
        await client.close()


async def _make(client: AIOKafkaAdminClient, missing: dict[str, Topic]) -> None:
    if not missing:
        return
    answer = await client.create_topics(
        [
            # The empty assignments are for aiokafka, which else takes -1 for a mistake.
            NewTopic(name, topic.partitions, CLUSTER_DEFAULT, replica_assignments={}, topic_configs=topic.config())
            for name, topic in missing.items()
        ]
    )
    for name, code, *message in answer.topic_errors:
        if code not in (0, TopicAlreadyExistsError.errno):  # another set-up at the same time is no error
            raise StackError(f"Kafka did not make the topic {name}: {for_code(code).__name__} {message}")


async def _update(client: AIOKafkaAdminClient, present: dict[str, Topic]) -> int:
    """Partitions are never added: a key's next events would go to another partition, and could overtake its last."""
    if not present:
        return 0
    described = await client.describe_topics(list(present))
    counts = {each["topic"]: len(each["partitions"]) for each in described}
    if small := [f"{name} ({counts[name]} of {topic.partitions})" for name, topic in present.items()
                 if counts[name] < topic.partitions]:  # fmt: skip
        raise StackError(
            f"These topics have fewer partitions than contracts/topics.py says: {', '.join(small)}. Nothing was "
            "changed: more partitions would put later events of a key in another partition than its earlier ones, and "
            "so break their order. Put the number in contracts/topics.py back; or stop the services that write, wait "
            "until nothing is unread, add the partitions with kafka-topics.sh --alter, and start the services again."
        )
    actual = await _configurations(client, list(present))
    differing = {
        name: topic
        for name, topic in present.items()
        if any(actual[name].get(key) != value for key, value in topic.config().items())
    }
    if differing:
        await client.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, name, topic.config()) for name, topic in differing.items()]
        )
    return len(differing)


async def _configurations(client: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    answers = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    return {
        resource[3]: {entry[0]: entry[1] for entry in resource[4]}
        for answer in answers
        for resource in answer.resources
    }
