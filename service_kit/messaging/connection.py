"""Every Kafka client is made with these arguments, so that none can be made that skips TLS or its name."""

import ssl
from dataclasses import dataclass
from typing import Any

from service_kit.connection_settings import KafkaSettings


@dataclass(frozen=True)
class KafkaConnection:
    """Where the brokers are, how they are known, and who we are to them."""

    settings: KafkaSettings

    @classmethod
    def of(cls, settings: KafkaSettings) -> "KafkaConnection":
        return cls(settings)

    @classmethod
    def plain(cls, bootstrap_servers: str) -> "KafkaConnection":
        """To a broker on this machine that asks for nothing."""
        return cls(KafkaSettings(kafka_bootstrap_servers=bootstrap_servers))

    @property
    def bootstrap_servers(self) -> str:
        return self.settings.kafka_bootstrap_servers

    def arguments(self) -> dict[str, Any]:
        """For aiokafka's consumer, producer and admin client alike.

        Certificates are read again for each client: files that were renewed hold once clients are rebuilt.
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
        """The brokers' certificates and host names are checked."""
        context = ssl.create_default_context(cafile=self.settings.kafka_ca_file)
        if self.settings.kafka_certificate_file is not None:
            context.load_cert_chain(self.settings.kafka_certificate_file, self.settings.kafka_key_file)
        return context
