"""Settings of a service: one class each, from the environment, from `.env`, or from files (`…_FILE`)."""

import os
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, ModelWrapValidatorHandler, SecretStr, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from service_kit import strictness
from service_kit.connection_settings import DatabaseSettings, KafkaSettings

RENAMED: Mapping[str, str] = {
    "STANDING_STILL_AFTER": "ORDER_STUCK_AFTER",
    "HOT_POOL_SIZE": "ASYNCPG_POOL_SIZE",
    "EVENT_PATIENCE_MS": "FETCH_MAX_WAIT_MS",
    "OUTBOX_KEPT": "OUTBOX_RETENTION",
    "INBOX_KEPT": "INBOX_RETENTION",
    "IDEMPOTENCY_KEPT": "IDEMPOTENCY_RETENTION",
    "AUDIT_KEPT": "AUDIT_RETENTION",
    "CRASH_POINTS": "FAILPOINTS",
    "STRANGERS_TRIES": "UNKNOWN_DEVICE_ATTEMPTS",
    "KNOWN_TRIES": "KNOWN_DEVICE_ATTEMPTS",
    "ALL_KNOWN_TRIES": "ALL_KNOWN_DEVICES_ATTEMPTS",
    "ADDRESS_TRIES": "ADDRESS_ATTEMPTS",
}
"""Settings that have another name now, without prefix: the new one, or a sentence on what to do instead."""

Role = Literal["api", "worker", "all"]


class _FromEnvironment(BaseSettings):
    """A field is looked up under the name of its `service` first."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    service: ClassVar[str]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, _Environment(settings_cls)


class ServiceSettings(KafkaSettings, DatabaseSettings, _FromEnvironment):
    """What every service needs to know.

    A field `pay_within` of the order service is read from ORDER_PAY_WITHIN, else from PAY_WITHIN, so that one value can
    be given to all services and another to one. With `_FILE` behind the name, the value is that file's content.
    """

    environment: Literal["development", "production"] = "production"
    service_role: Role = "all"
    listen_host: str = "127.0.0.1"
    port: int
    operations_port: int = Field(
        default=0, ge=0, description="metrics and all of health, not for the public; 0: one that is free"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "console"] = "json"

    session_pool_size: int = Field(default=5, ge=1, description="connections for SQLModel sessions (Session)")
    asyncpg_pool_size: int = Field(
        default=8, ge=1, description="connections for plain asyncpg (Transaction, Connection)"
    )

    statement_timeout_seconds: float = Field(default=30, gt=0, le=30, description="a longer statement is cancelled")

    trusted_payment_sources: str = Field(
        default="", description="`ce_source`s of outside payment systems, comma-separated, trusted on payment_status"
    )

    fetch_max_wait_ms: int = Field(
        default=0,
        ge=0,
        description="least time between two fetches while events keep coming: larger batches cost less",
    )
    event_attempts: int = Field(
        default=5, ge=1, description="how often a failing event is tried before it is a dead letter"
    )

    outbox_retention: timedelta = Field(
        default=timedelta(days=1), gt=timedelta(0), description="events after publication"
    )
    inbox_retention: timedelta = Field(
        default=timedelta(days=21),
        gt=timedelta(0),
        description="ids of handled events; must be longer than any topic's retention",
    )
    idempotency_retention: timedelta = Field(
        default=timedelta(hours=48), gt=timedelta(0), description="the answer to a request with an Idempotency-Key"
    )

    public_issuer: str = Field(description="where the user service is reached; the `iss` of its tokens")
    jwks_url: str | None = Field(default=None, description="default: PUBLIC_ISSUER/.well-known/jwks.json")
    jwks_refresh_seconds: float = Field(default=300, gt=0)
    revocations_refresh_seconds: float = Field(
        default=1,
        gt=0,
        le=60,
        description="how soon a process rejects tokens that another process of its service revoked",
    )

    plain_http_hosts: str = Field(
        default="",
        description="where production may send tokens and money by http://: host names, or `.suffix`, comma-separated",
    )
    docs: bool | None = Field(
        default=None, description="on, off: the pages /docs and /redoc and /openapi.json; default: not in production"
    )

    cors_origins: str = Field(default="", description="comma-separated; empty: none")
    trusted_proxies: str = Field(
        default="", description="addresses or networks, comma-separated, whose X-Forwarded-For is believed; empty: none"
    )
    max_body_bytes: int = Field(default=1_048_576, gt=0)
    max_json_values: int = Field(
        default=50_000,
        ge=1,
        description="members and elements of a JSON body, in all: an order of 2,000 lines has 18,000",
    )
    max_json_members: int = Field(default=100, ge=1, description="members of one object in a JSON body")
    max_json_depth: int = Field(default=20, ge=1, description="levels of a JSON body")
    max_requests_in_flight: int = Field(
        default=256, ge=1, description="of one process; more are rejected at once, with Retry-After"
    )
    max_requests_waiting: int = Field(
        default=512, ge=0, description="of one process, by `Prefer: wait`; more are answered at once"
    )
    max_unfinished_body_bytes: int = Field(
        default=67_108_864, ge=1, description="of one process: bodies that are not complete yet, all of them together"
    )
    max_connections: int = Field(
        default=1024, ge=1, description="of one process; beyond, those are closed that have been idle for the longest"
    )
    request_header_seconds: float = Field(default=10, gt=0, description="until a request's headers are complete")
    request_body_seconds: float = Field(default=10, gt=0, description="until its body is, and")
    request_body_bytes_per_second: int = Field(default=4096, ge=1, description="so many bytes earn it a second more")
    response_stalled_seconds: float = Field(
        default=30, gt=0, description="after which a client that takes nothing of its answer is cut off"
    )
    drain_seconds: float = Field(
        default=5, ge=0, description="from the signal to stop: no longer ready, and every request is still served"
    )
    graceful_stop_seconds: float = Field(
        default=20, gt=0, description="from the signal to the end; longer than draining"
    )
    failpoints: Path | None = Field(default=None, description="never in production: see service_kit/failpoints.py")

    def __init_subclass__(cls, service: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if service is not None:
            cls.service = service

    @property
    def stop_seconds(self) -> float:
        """To finish what is in hand, once nothing new is taken on."""
        return self.graceful_stop_seconds - self.drain_seconds

    @property
    def service_name(self) -> str:
        """The package's name, which is also the consumer group's: `order_service`."""
        return f"{self.service}_service"

    @property
    def keys_url(self) -> str:
        return self.jwks_url or f"{self.public_issuer.rstrip('/')}/.well-known/jwks.json"

    @property
    def outside_payment_sources(self) -> frozenset[str]:
        return frozenset(filter(None, map(str.strip, self.trusted_payment_sources.split(","))))

    @property
    def allowed_origins(self) -> list[str]:
        return [origin.strip() for origin in self.cors_origins.split(",") if origin.strip()]

    @cached_property
    def trusted_proxy_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        parts = self.trusted_proxies.split(",")
        return tuple(ip_network(part.strip(), strict=False) for part in parts if part.strip())

    @property
    def has_docs(self) -> bool:
        return self.environment != "production" if self.docs is None else self.docs

    @model_validator(mode="wrap")
    @classmethod
    def _all_faults_at_once(cls, given: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        """What is wrong in a field, in a name, and for production, in one message."""
        return strictness.validated(cls, given, validate, rejected_names(cls))

    def production_faults(self) -> Iterator[strictness.Fault]:
        """What a service must not be started with in production; a service's own settings may add to it."""
        yield from strictness.faults(self)
        for fault in self.plaintext_faults():
            setting, _, words = fault.partition(": ")
            yield strictness.Fault(setting, words)

    def plaintext_faults(self) -> list[str]:
        """What would be sent in plain text although no setting says that it may."""
        return [*self.kafka_faults(), *self.database_faults()]

    @model_validator(mode="after")
    def _draining_leaves_time_to_stop(self) -> "ServiceSettings":
        if self.drain_seconds >= self.graceful_stop_seconds:
            raise ValueError("DRAIN_SECONDS: must be less than GRACEFUL_STOP_SECONDS")
        return self

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        for part in filter(None, map(str.strip, value.split(","))):
            ip_network(part, strict=False)
        return value


def look_up(values: Mapping[str, str | None], *names: str) -> str | None:
    """The first of these settings that is given, by itself or as a file."""
    for name in names:
        if name in values:
            return values[name]
        if path := values.get(f"{name}_FILE"):
            return Path(path).read_text().strip()
    return None


def given_values() -> dict[str, str]:
    """By name: from the environment, then from `.env`."""
    in_file = dotenv_values(os.environ.get("ENV_FILE", ".env"))
    return {name: value for name, value in {**in_file, **os.environ}.items() if value}


def rejected_names(settings: type[ServiceSettings]) -> list[strictness.Fault]:
    """Names that look like this service's settings and are none (any more)."""
    return list(
        strictness.rejected_names(given_values(), getattr(settings, "service", ""), settings.model_fields, RENAMED)
    )


class BrokerSettings(KafkaSettings, _FromEnvironment):
    """What creating topics and access control lists needs: KAFKA_SASL_USERNAME is one who may do that."""

    environment: Literal["development", "production"] = "production"

    @model_validator(mode="after")
    def _production_encrypts(self) -> "BrokerSettings":
        if self.environment == "production" and (faults := self.kafka_faults()):
            raise ValueError("\n".join(faults))
        return self


class MigrationSettings(DatabaseSettings, _FromEnvironment):
    """All that migrating needs: who migrates is given no other secret of the service."""

    environment: Literal["development", "production"] = "production"

    @model_validator(mode="after")
    def _production_encrypts(self) -> "MigrationSettings":
        if self.environment == "production" and (faults := self.database_faults()):
            raise ValueError("\n".join(faults))
        return self

    @classmethod
    def of(cls, package: str) -> Self:
        """As `order_service` has them. Raises: ValidationError."""
        own = type(cls.__name__, (cls,), {"__module__": __name__, "service": package.removesuffix("_service")})
        settings: Self = own()
        return settings


class DatabaseCreationSettings(MigrationSettings):
    """What creating a service's database needs: its URLs name the database, and its roles with their passwords."""

    postgres_admin_url: SecretStr = Field(description="of a role that may create roles and databases")

    @model_validator(mode="after")
    def _urls_are_complete(self) -> Self:
        owner, serving = (urlsplit(url.get_secret_value()) for url in (self.owner_url, self.database_url))
        if not all(url.username and url.password and url.path.strip("/") for url in (owner, serving)):
            raise ValueError("DATABASE_URL, DATABASE_OWNER_URL: write postgresql://role:password@host:port/database")
        if owner.path != serving.path:
            raise ValueError("DATABASE_URL, DATABASE_OWNER_URL: they name different databases")
        return self


class _Environment(PydanticBaseSettingsSource):
    """Looks a field up under its service's prefix, then without; in the environment, then in `.env`."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls)
        self._values = given_values()

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        prefix = getattr(self.settings_cls, "service", "").upper()
        return look_up(self._values, f"{prefix}_{field_name.upper()}", field_name.upper()), field_name, False

    def __call__(self) -> dict[str, Any]:
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}
