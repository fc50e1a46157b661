"""A broker that requires TLS and a password, and authorises by its access control list only."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_stack import ports
from local_stack.kafka import EmbeddedKafka
from service_kit.connection_settings import KafkaSettings
from service_kit.messaging.connection import KafkaConnection
from tests.harness.certificates import Authority

ADMIN = "admin"


class SecuredKafka:
    """`users` authenticate with their password in `passwords`; the admin has all permissions, the others none yet."""

    def __init__(self, directory: Path, port: int, controller_port: int, users: tuple[str, ...]) -> None:
        self.passwords = {name: secrets.token_hex(8) for name in (ADMIN, *users)}
        self.bootstrap_servers = f"127.0.0.1:{port}"
        authority = Authority(directory)
        self.ca_file = authority.ca_file
        certificate, key = authority.issue("broker", "127.0.0.1")
        keystore = directory / "broker-keystore.pem"
        keystore.write_bytes(key.read_bytes() + certificate.read_bytes())
        listeners = f"SASL_SSL://127.0.0.1:{port}"
        self.broker = EmbeddedKafka(
            directory / "kafka",
            port,
            controller_port,
            heap="384m",
            users=self.passwords,
            connection=self.connection(ADMIN),
            settings={
                "listeners": f"{listeners},CONTROLLER://127.0.0.1:{controller_port}",
                "advertised.listeners": listeners,
                "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:SSL",
                "inter.broker.listener.name": "SASL_SSL",
                "sasl.enabled.mechanisms": "SCRAM-SHA-512",
                "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
                "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": self._login,
                "listener.name.controller.ssl.client.auth": "required",
                "ssl.keystore.type": "PEM",
                "ssl.keystore.location": str(keystore),
                "ssl.truststore.type": "PEM",
                "ssl.truststore.location": str(self.ca_file),
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "super.users": f"User:{ADMIN};User:CN=broker",
            },
        )

    @property
    def _login(self) -> str:
        module = "org.apache.kafka.common.security.scram.ScramLoginModule required"
        return f'{module} username="{ADMIN}" password="{self.passwords[ADMIN]}";'

    @property
    def admin_file(self) -> Path:
        """The admin's connection, for Kafka's own tools."""
        file = self.ca_file.parent / "admin.properties"
        file.write_text(
            f"security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\nsasl.jaas.config={self._login}\n"
            f"ssl.truststore.type=PEM\nssl.truststore.location={self.ca_file}\n"
        )
        return file

    def connection(self, user: str, password: str = "", ca_file: Path | None = None) -> KafkaConnection:
        return KafkaConnection.of(
            KafkaSettings.model_validate(
                {
                    "kafka_bootstrap_servers": self.bootstrap_servers,
                    "kafka_security_protocol": "SASL_SSL",
                    "kafka_ca_file": ca_file or self.ca_file,
                    "kafka_sasl_username": user,
                    "kafka_sasl_password": password or self.passwords[user],
                }
            )
        )


@contextmanager
def secured_kafka(directory: Path, *users: str) -> Iterator[SecuredKafka]:
    """A broker that runs until the block ends."""
    leased = ports.lease(2)
    made = SecuredKafka(directory, leased[0], leased[1], users)
    try:
        made.broker.start()
        yield made
    finally:
        made.broker.kill()
        ports.release(leased)
