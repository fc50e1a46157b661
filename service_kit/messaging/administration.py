"""Sets up Kafka for the services: topics with the configuration of the contracts, and the access control list."""

from collections.abc import Collection, Mapping

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code
from aiokafka.protocol.admin import CreateAclsRequest

from contracts.access import grants
from contracts.topics import Topic, all_topics
from service_kit.messaging.connection import KafkaConnection
from service_kit.settings import look_up

# The cluster's own default, `default.replication.factor`.
CLUSTER_DEFAULT = -1

# The numbers of Kafka's protocol (org.apache.kafka.common.resource and .acl).
_RESOURCES = {"topic": 2, "group": 3}
_OPERATIONS = {"READ": 3, "WRITE": 4}
_LITERAL, _ALLOW, _ANY_HOST = 3, 3, "*"


class BrokerRejected(Exception):
    """The brokers can't be set up as the contracts require; the message says what to do."""


async def create_topics(kafka: KafkaConnection, prefix: str = "", topics: Collection[Topic] = all_topics()) -> int:
    """Creates the missing topics and corrects the configuration of the others. Returns how many topics were changed.

    Raises: BrokerRejected, if a topic has fewer partitions than the contracts say, or can't be created.
    """
    wanted = {prefix + topic.name: topic for topic in topics}
    client = AIOKafkaAdminClient(**kafka.arguments())
    await client.start()
    try:
        existing = set(await client.list_topics())
        missing = {name: topic for name, topic in wanted.items() if name not in existing}
        await _create(client, missing)
        present = {name: topic for name, topic in wanted.items() if name in existing}
        return len(missing) + await _update(client, present)
    finally:
        await client.close()


async def _create(client: AIOKafkaAdminClient, missing: dict[str, Topic]) -> None:
    if not missing:
        return
    answer = await client.create_topics(
        [
            # aiokafka rejects -1 as the replication factor unless there are assignments, even if empty.
            NewTopic(name, topic.partitions, CLUSTER_DEFAULT, replica_assignments={}, topic_configs=topic.config())
            for name, topic in missing.items()
        ]
    )
    for name, code, *message in answer.topic_errors:
        if code not in (0, TopicAlreadyExistsError.errno):  # another process may create topics at the same time
            raise BrokerRejected(f"Kafka did not create the topic {name}: {for_code(code).__name__} {message}")


async def _update(client: AIOKafkaAdminClient, present: dict[str, Topic]) -> int:
    """Partitions are never added: a key's next events would be in another partition and could overtake earlier ones."""
    if not present:
        return 0
    described = await client.describe_topics(list(present))
    counts = {each["topic"]: len(each["partitions"]) for each in described}
    if small := [f"{name} ({counts[name]} of {topic.partitions})" for name, topic in present.items()
                 if counts[name] < topic.partitions]:  # fmt: skip
        raise BrokerRejected(
            f"These topics have fewer partitions than contracts/topics.py says: {', '.join(small)}. Nothing was "
            "changed: more partitions would put later events of a key in another partition than its earlier ones, and "
            "so break their order. `python -m service_kit grow-topic` adds them while the services run, and keeps the "
            "order (docs/deployment.md)."
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


def principals(values: Mapping[str, str | None]) -> dict[str, str]:
    """The Kafka principal of each service (`order`): `User:` and its SASL user name, or its package's name."""
    return {
        service: f"User:{look_up(values, f'{service.upper()}_KAFKA_SASL_USERNAME') or f'{service}_service'}"
        for service in {grant.service for grant in grants()}
    }


async def create_acls(kafka: KafkaConnection, prefix: str, principals: Mapping[str, str]) -> int:
    """Adds the services' entries to the brokers' access control list. Returns how many entries the list should have.

    Existing entries are not changed. Raises: BrokerRejected.
    """
    wanted = grants(prefix)
    client = AIOKafkaAdminClient(**kafka.arguments())
    await client.start()
    try:
        for grant in wanted:
            request = CreateAclsRequest(
                _RESOURCES[grant.resource],
                grant.name,
                _LITERAL,
                principals[grant.service],
                _ANY_HOST,
                _OPERATIONS[grant.operation],
                _ALLOW,
            )
            answer = await client._send_to_controller(request)
            for code, message in answer.creation_responses:
                if code:
                    raise BrokerRejected(f"Kafka refused {grant}: {for_code(code).__name__} {message or ''}")
    finally:
        await client.close()
    return len(wanted)


def acl_arguments(prefix: str, principals: Mapping[str, str]) -> list[str]:
    """The same entries as arguments of Kafka's own tool, `kafka-acls.sh`."""
    return [
        f"--add --allow-principal {principals[grant.service]} --operation {grant.operation.capitalize()} "
        f"--{grant.resource} {grant.name}"
        for grant in grants(prefix)
    ]
