"""How Kafka and PostgreSQL are reached: addresses, certificates, names and passwords."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import BaseModel, Field, SecretStr, model_validator

from service_kit.strictness import Fault

DatabaseTls = Literal["prefer", "verify-full"]


class ConnectionSettings(BaseModel):
    """The base of settings that name a server."""

    def plaintext_faults(self) -> Iterator[Fault]:
        """The settings that lead to unencrypted connections and are not explicitly allowed. Production rejects them."""
        yield from ()


class KafkaSettings(ConnectionSettings, frozen=True, hide_input_in_errors=True):
    """What every Kafka client needs: services, and the commands that prepare the broker."""

    kafka_bootstrap_servers: str
    kafka_topic_prefix: str = Field(default="", description="put before every topic and group name")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_ca_file: Path | None = Field(default=None, description="CA of the brokers' certificates; else the system's")
    kafka_certificate_file: Path | None = Field(default=None, description="the client's, if brokers require one")
    kafka_key_file: Path | None = Field(default=None, description="the private key of the client's certificate")
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_sasl_username: str = ""
    kafka_sasl_password: SecretStr = SecretStr("")
    kafka_allow_plaintext: bool = Field(default=False, description="allow it in production, without TLS")

    @model_validator(mode="after")
    def _kafka_settings_agree(self) -> "KafkaSettings":
        protocol = self.kafka_security_protocol
        if protocol.startswith("SASL") and not (self.kafka_sasl_username and self.kafka_sasl_password):
            raise ValueError(f"KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD: needed with {protocol}")
        if (self.kafka_certificate_file is None) != (self.kafka_key_file is None):
            raise ValueError("KAFKA_CERTIFICATE_FILE and KAFKA_KEY_FILE: give both or neither")
        if not self.kafka_uses_tls and (self.kafka_ca_file or self.kafka_certificate_file):
            raise ValueError(
                f"KAFKA_SECURITY_PROTOCOL is {protocol}, which uses no certificates: set it to SSL or SASL_SSL, or "
                "empty KAFKA_CA_FILE and KAFKA_CERTIFICATE_FILE"
            )
        return self

    @property
    def kafka_uses_tls(self) -> bool:
        return self.kafka_security_protocol.endswith("SSL")

    def plaintext_faults(self) -> Iterator[Fault]:
        yield from super().plaintext_faults()
        if not self.kafka_uses_tls and not self.kafka_allow_plaintext:
            yield Fault(
                "KAFKA_SECURITY_PROTOCOL",
                f"{self.kafka_security_protocol} is not encrypted; set it to SASL_SSL or SSL, "
                "or KAFKA_ALLOW_PLAINTEXT=true where nobody else can reach the broker",
            )


class DatabaseSettings(ConnectionSettings):
    """What every connection to a service's database needs."""

    database_url: SecretStr
    database_owner_url: SecretStr | None = Field(default=None, description="for migrations; default: DATABASE_URL")
    database_tls: DatabaseTls = Field(default="prefer", description="verify-full: only TLS, and the server is verified")
    database_ca_file: Path | None = Field(default=None, description="CA of its certificate; default: the system's")

    audit_retention: timedelta = Field(default=timedelta(days=730), gt=timedelta(0), description="of the audit log")
    database_allow_plaintext: bool = Field(default=False, description="also in production, over TCP without TLS")

    @model_validator(mode="after")
    def _tls_is_set_once(self) -> "DatabaseSettings":
        """Rejects parameters for TLS in a URL: one of the two drivers obeys them, and the other rejects them."""
        for url in filter(None, (self.database_url, self.database_owner_url)):
            if any(name.startswith("ssl") for name in parse_qs(urlsplit(url.get_secret_value()).query)):
                raise ValueError("DATABASE_URL: take sslmode and the like out of it, and set DATABASE_TLS instead")
        return self

    @property
    def owner_url(self) -> SecretStr:
        """The URL for the role that owns the tables."""
        return self.database_owner_url or self.database_url

    @property
    def database_is_exposed(self) -> bool:
        """Whether traffic to the database may be unencrypted on anything but a Unix socket.

        Loopback counts as exposed: the listener may be a tunnel, or belong to another user.
        """
        url = urlsplit(self.database_url.get_secret_value())
        hosts = parse_qs(url.query).get("host") or [unquote(url.hostname or "")]
        return self.database_tls == "prefer" and any(host and not host.startswith("/") for host in hosts)

    def plaintext_faults(self) -> Iterator[Fault]:
        yield from super().plaintext_faults()
        if self.database_is_exposed and not self.database_allow_plaintext:
            yield Fault(
                "DATABASE_TLS",
                "prefer also takes plain text; set it to verify-full, or DATABASE_ALLOW_PLAINTEXT=true where "
                "nobody else can reach the network to the database",
            )
