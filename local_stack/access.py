"""Who may do what on the brokers: the set-up's own connection, and the access control list of the services."""

from collections.abc import Iterable, Mapping

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code
from aiokafka.protocol.admin import CreateAclsRequest

from contracts.access import Grant, grants
from local_stack.errors import StackError
from local_stack.kafka import run
from service_kit.connection_settings import DatabaseSettings, KafkaSettings
from service_kit.database.tls import Tls
from service_kit.messaging.connection import KafkaConnection
from service_kit.settings import look_up

# The numbers of Kafka's protocol (org.apache.kafka.common.resource and .acl).
_RESOURCES = {"topic": 2, "group": 3}
_OPERATIONS = {"READ": 3, "WRITE": 4}
_LITERAL, _ALLOW, _ANY_HOST = 3, 3, "*"


def kafka_connection(values: Mapping[str, str | None], bootstrap_servers: str) -> KafkaConnection:
    """From settings as they stand in `.env`: KAFKA_SASL_USERNAME is the set-up's, ORDER_KAFKA_SASL_USERNAME the order
    service's."""
    found = {name: look_up(values, name.upper()) for name in KafkaSettings.model_fields}
    given = {name: value for name, value in found.items() if value}
    return KafkaConnection.of(KafkaSettings.model_validate({**given, "kafka_bootstrap_servers": bootstrap_servers}))


def database_tls(values: Mapping[str, str | None]) -> Tls:
    """From the same settings."""
    mode, ca_file = look_up(values, "DATABASE_TLS"), look_up(values, "DATABASE_CA_FILE")
    settings = {"database_url": "", "database_tls": mode or "prefer", "database_ca_file": ca_file}
    return Tls.of(DatabaseSettings.model_validate(settings))


def principals(values: Mapping[str, str | None], services: Iterable[str]) -> dict[str, str]:
    """What the brokers call each service (`order`): `User:` and its SASL user name, or its package's name."""
    return {
        service: f"User:{look_up(values, f'{service.upper()}_KAFKA_SASL_USERNAME') or f'{service}_service'}"
        for service in services
    }


def allow(kafka: KafkaConnection, prefix: str, principals: Mapping[str, str]) -> int:
    """Puts the services' entries on the brokers' access control list; returns how many. Those there already stay."""
    return run(_allow(kafka, grants(prefix), principals))


async def _allow(kafka: KafkaConnection, wanted: list[Grant], principals: Mapping[str, str]) -> int:
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
                    raise StackError(f"Kafka did not take {grant}: {for_code(code).__name__} {message or ''}")
    finally:
        await client.close()
    return len(wanted)


def commands(prefix: str, principals: Mapping[str, str]) -> list[str]:
    """The same list for Kafka's own tool, `kafka-acls.sh`."""
    return [
        f"--add --allow-principal {principals[grant.service]} --operation {grant.operation.capitalize()} "
        f"--{grant.resource} {grant.name}"
        for grant in grants(prefix)
    ]
