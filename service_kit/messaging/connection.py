"""The arguments of every Kafka client, in one place, so that no client lacks TLS or credentials."""

import ssl
from dataclasses import dataclass
from typing import Any

from service_kit.connection_settings import KafkaSettings


@dataclass(frozen=True)
class KafkaConnection:
    """The addresses of the brokers, the verification of their certificates, and our credentials."""

    settings: KafkaSettings

    @classmethod
    def of(cls, settings: KafkaSettings) -> "KafkaConnection":
        return cls(settings)

    @classmethod
    def plain(cls, bootstrap_servers: str) -> "KafkaConnection":
        """A connection to a local broker without TLS or authentication."""
        return cls(KafkaSettings(kafka_bootstrap_servers=bootstrap_servers))

    @property
    def bootstrap_servers(self) -> str:
        return self.settings.kafka_bootstrap_servers

    def arguments(self) -> dict[str, Any]:
        """The arguments for each of aiokafka's clients: consumer, producer and admin client.

        Certificates are read again for each client, so that a rebuilt client uses renewed files.
        """
        settings = self.settings
        arguments: dict[str, Any] = {
            "bootstrap_servers": settings.kafka_bootstrap_servers,
            "security_protocol": settings.kafka_security_protocol,
        }
        if settings.kafka_uses_tls:
            arguments["ssl_context"] = self._tls()
        if settings.kafka_security_protocol.startswith("SASL"):
            arguments["sasl_mechanism"] = settings.kafka_sasl_mechanism
            arguments["sasl_plain_username"] = settings.kafka_sasl_username
            arguments["sasl_plain_password"] = settings.kafka_sasl_password.get_secret_value()
        return arguments

    def _tls(self) -> ssl.SSLContext:
        """A context that verifies the brokers' certificates and host names."""
        context = ssl.create_default_context(cafile=self.settings.kafka_ca_file)
        if self.settings.kafka_certificate_file is not None:
            context.load_cert_chain(self.settings.kafka_certificate_file, self.settings.kafka_key_file)
        return context
