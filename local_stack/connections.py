"""Connection settings for Kafka and PostgreSQL from a mapping, such as one read from `.env`."""

from collections.abc import Mapping

from service_kit.connection_settings import DatabaseSettings, KafkaSettings
from service_kit.database.tls import Tls
from service_kit.messaging.connection import KafkaConnection
from service_kit.settings import look_up


def kafka_connection(values: Mapping[str, str | None], bootstrap_servers: str) -> KafkaConnection:
    """Uses the settings without a service's prefix: KAFKA_SASL_USERNAME, not ORDER_KAFKA_SASL_USERNAME."""
    found = {name: look_up(values, name.upper()) for name in KafkaSettings.model_fields}
    given = {name: value for name, value in found.items() if value}
    return KafkaConnection.of(KafkaSettings.model_validate({**given, "kafka_bootstrap_servers": bootstrap_servers}))


def database_tls(values: Mapping[str, str | None]) -> Tls:
    """Uses the settings DATABASE_TLS and DATABASE_CA_FILE."""
    mode, ca_file = look_up(values, "DATABASE_TLS"), look_up(values, "DATABASE_CA_FILE")
    settings = {"database_url": "", "database_tls": mode or "prefer", "database_ca_file": ca_file}
    return Tls.of(DatabaseSettings.model_validate(settings))
