"""Settings of services: each has a class, whose values come from the environment, `.env` or files (`…_FILE`)."""

import os
from collections.abc import Iterator, Mapping
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import BaseModel, BeforeValidator, Field, ModelWrapValidatorHandler, SecretStr, model_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from service_kit import strictness
from service_kit.connection_settings import ConnectionSettings, DatabaseSettings, KafkaSettings
from service_kit.telemetry.exporting import TraceSettings

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
"""By a former name, without prefix: the new name of the setting, or a sentence on what to do instead."""

Role = Literal["api", "worker", "all"]


def _split(value: Any) -> Any:
    """Splits text at commas. Pydantic also validates defaults, which are no text and stay as they are."""
    return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value


CommaSeparated = Annotated[tuple[str, ...], BeforeValidator(_split)]
Networks = Annotated[
    tuple[IPv4Network | IPv6Network, ...],
    BeforeValidator(lambda value: tuple(ip_network(each, strict=False) for each in _split(value))),
]
Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]
Period = Annotated[timedelta, Field(gt=timedelta(0))]


class _FromEnvironment(ConnectionSettings, BaseSettings):
    """A field is looked up with the prefix of its `service` first, then without; in the environment, then in `.env`."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    service: ClassVar[str] = ""

    environment: Literal["development", "production"] = "production"

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        values, prefix = given_values(), f"{cls.service.upper()}_"
        found = {name: look_up(values, prefix + name.upper(), name.upper()) for name in cls.model_fields}
        given = {name: value for name, value in found.items() if value is not None}
        return init_settings, InitSettingsSource(settings_cls, init_kwargs=given)


class ConnectionLimits(BaseModel):
    """Limits on clients' connections and on the time that their requests take."""

    max_connections: Count = Field(default=1024, description="of one process; beyond it, the longest idle are closed")
    request_header_seconds: Seconds = Field(default=10, description="until the headers of a request are complete")
    request_body_seconds: Seconds = Field(default=10, description="until its body is complete")
    request_body_bytes_per_second: Count = Field(default=4096, description="so many bytes extend it by a second")
    response_stalled_seconds: Seconds = Field(default=30, description="without a read by the client: it is cut off")


class ServiceSettings(ConnectionLimits, KafkaSettings, DatabaseSettings, TraceSettings, _FromEnvironment):
    """The settings that every service has.

    A field `pay_within` of the order service is read from ORDER_PAY_WITHIN, else from PAY_WITHIN, so that all services
    can share a value, and one of them can have its own. With `_FILE` behind the name, the value is that file's content.
    """

    service_role: Role = "all"
    listen_host: str = "127.0.0.1"
    port: int
    operations_port: int = Field(default=0, ge=0, description="of metrics and health, for operators; 0: any free port")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "console"] = "json"

    session_pool_size: Count = Field(default=5, description="connections for SQLModel sessions (Session)")
    asyncpg_pool_size: Count = Field(default=8, description="connections for plain asyncpg (Transaction, Connection)")
    statement_timeout_seconds: Seconds = Field(default=30, le=30, description="a longer statement is cancelled")

    trusted_payment_sources: Annotated[frozenset[str], BeforeValidator(_split)] = Field(
        default=frozenset(),
        description="`ce_source`s of outside payment systems, comma-separated, trusted on payment_status",
    )
    fetch_max_wait_ms: int = Field(default=0, ge=0, description="least time between fetches under load, to batch")
    event_attempts: Count = Field(default=5, description="attempts at an event before it is a dead letter")

    outbox_retention: Period = Field(default=timedelta(days=1), description="after publication")
    inbox_retention: Period = Field(default=timedelta(days=21), description="of event ids; must exceed that of topics")
    idempotency_retention: Period = Field(default=timedelta(hours=48), description="of stored responses")

    public_issuer: str = Field(description="where the user service is reached; the `iss` of its tokens")
    jwks_url: str | None = Field(default=None, description="default: PUBLIC_ISSUER/.well-known/jwks.json")
    jwks_refresh_seconds: Seconds = 300
    revocations_refresh_seconds: Seconds = Field(
        default=1, le=60, description="how soon a process rejects tokens that another process of its service revoked"
    )

    plain_http_hosts: CommaSeparated = Field(
        default=(),
        description="where production may send tokens and money by http://: host names, or `.suffix`, comma-separated",
    )
    docs: bool | None = Field(
        default=None, description="on, off: the pages /docs and /redoc and /openapi.json; default: not in production"
    )
    cors_origins: CommaSeparated = Field(default=(), description="comma-separated; empty: none")
    trusted_proxies: Networks = Field(
        default=(), description="addresses or networks, comma-separated, whose X-Forwarded-For is believed; empty: none"
    )

    max_body_bytes: Count = 1_048_576
    max_json_values: Count = Field(default=50_000, description="of a JSON body; an order of 2,000 lines has 18,000")
    max_json_members: Count = Field(default=100, description="members of one object in a JSON body")
    max_json_depth: Count = Field(default=20, description="levels of a JSON body")
    max_requests_in_flight: Count = Field(default=256, description="of one process; others are rejected for now")
    max_requests_waiting: int = Field(default=512, ge=0, description="by `Prefer: wait`; others are answered at once")
    max_unfinished_body_bytes: Count = Field(default=67_108_864, description="of all incomplete bodies together")
    drain_seconds: float = Field(default=5, ge=0, description="from the signal to stop: not ready, and still serving")
    graceful_stop_seconds: Seconds = Field(default=20, description="from the signal to the end; longer than draining")
    failpoints: Path | None = Field(default=None, description="never in production: see service_kit/failpoints.py")

    def __init_subclass__(cls, service: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if service is not None:
            cls.service = service

    @property
    def stop_seconds(self) -> float:
        """The time to finish work in progress, after draining."""
        return self.graceful_stop_seconds - self.drain_seconds

    @property
    def service_name(self) -> str:
        """The name of the package and of the consumer group: `order_service`."""
        return f"{self.service}_service"

    @property
    def keys_url(self) -> str:
        return self.jwks_url or f"{self.public_issuer.rstrip('/')}/.well-known/jwks.json"

    @property
    def has_docs(self) -> bool:
        return self.environment != "production" if self.docs is None else self.docs

    @model_validator(mode="wrap")
    @classmethod
    def _all_faults_at_once(cls, given: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        """Reports all faults in one error: of values, of names, and of what production rejects."""
        names = strictness.rejected_names(given_values(), cls.service, cls.model_fields, RENAMED)
        return strictness.validated(cls, given, validate, names)

    def production_faults(self) -> Iterator[strictness.Fault]:
        """The faults that only production rejects; services may extend this."""
        yield from strictness.faults(self)
        yield from self.plaintext_faults()

    @model_validator(mode="after")
    def _draining_leaves_time_to_stop(self) -> "ServiceSettings":
        if self.drain_seconds >= self.graceful_stop_seconds:
            raise ValueError("DRAIN_SECONDS: must be less than GRACEFUL_STOP_SECONDS")
        return self


def look_up(values: Mapping[str, str | None], *names: str) -> str | None:
    """The first of these settings that has a value or a file with it; None: none has."""
    for name in names:
        if name in values:
            return values[name]
        if path := values.get(f"{name}_FILE"):
            return Path(path).read_text().strip()
    return None


def given_values() -> dict[str, str]:
    """The settings that are not empty, by name. The environment precedes `.env`."""
    in_file = dotenv_values(os.environ.get("ENV_FILE", ".env"))
    return {name: value for name, value in {**in_file, **os.environ}.items() if value}


class _CommandSettings(_FromEnvironment):
    """Settings of commands that prepare servers. In production these must not send passwords in plain text."""

    @model_validator(mode="after")
    def _production_encrypts(self) -> Self:
        if self.environment == "production" and (faults := list(map(str, self.plaintext_faults()))):
            raise ValueError("\n".join(faults))
        return self


class BrokerSettings(KafkaSettings, _CommandSettings):
    """Settings for creating topics and access control lists: KAFKA_SASL_USERNAME is an account that may do that."""


class MigrationSettings(DatabaseSettings, _CommandSettings):
    """Settings for migrating. They include none of the service's other secrets."""

    @classmethod
    def of(cls, package: str) -> Self:
        """The settings for the database of a package, such as `order_service`. Raises: ValidationError."""
        own = type(cls.__name__, (cls,), {"__module__": __name__, "service": package.removesuffix("_service")})
        settings: Self = own()
        return settings


class DatabaseCreationSettings(MigrationSettings):
    """Settings for creating a service's database. The URLs name the database, and the roles with their passwords."""

    postgres_admin_url: SecretStr = Field(description="of a role that may create roles and databases")

    @model_validator(mode="after")
    def _urls_are_complete(self) -> Self:
        owner, serving = (urlsplit(url.get_secret_value()) for url in (self.owner_url, self.database_url))
        if not all(url.username and url.password and url.path.strip("/") for url in (owner, serving)):
            raise ValueError("DATABASE_URL, DATABASE_OWNER_URL: write postgresql://role:password@host:port/database")
        if owner.path != serving.path:
            raise ValueError("DATABASE_URL, DATABASE_OWNER_URL: they name different databases")
        return self
