"""The directory of one shop, its settings, and which parts run here and at which addresses."""

import os
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from local_stack import environment
from local_stack.addresses import postgres_url, serving_role
from local_stack.directories import socket_directory
from local_stack.parts import CONSOLE, KAFKA, PARTS, POSTGRES, SERVICES, SPAN_RECEIVER, ZIPKIN, Part

if TYPE_CHECKING:  # a service that is restarted need not import clients that it doesn't use
    from local_stack.kafka import EmbeddedKafka
    from local_stack.postgres import EmbeddedPostgres
    from local_stack.process import EmbeddedServer
    from service_kit.messaging.connection import KafkaConnection

# In the environment of every process of a shop, so that orphans of a killed supervisor are recognised.
SHOP = "ONLINE_MART_SHOP"

# The variables that a process inherits from the terminal. All settings come from `.env` instead, so that a DATABASE_URL
# in somebody's shell changes nothing.
PASSED_ON = (
    *("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "JAVA_HOME", "XDG_CACHE_HOME"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"),
)


class Layout:
    """`directory` has `.env`, and `.local/` with all data, logs and the supervisor's files."""

    def __init__(self, directory: Path, progress: Callable[[str], None] = lambda _: None) -> None:
        self.directory = directory.resolve()
        self.env_file = self.directory / ".env"
        self.local = self.directory / ".local"
        self.logs = self.local / "logs"
        self.progress = progress

    def ensure_environment(self, overrides: Mapping[str, str] | None = None) -> None:
        environment.ensure(self.env_file, overrides)
        self.__dict__.pop("settings", None)

    @cached_property
    def settings(self) -> dict[str, str]:
        return environment.read(self.env_file)

    @property
    def sockets(self) -> Path:
        return socket_directory(self.local)

    def log(self, part: Part) -> Path:
        return self.logs / f"{part.name}.log"

    def port(self, part: Part) -> int:
        return int(self.settings[part.ports[0]])

    def url(self, part: Part) -> str:
        return f"http://localhost:{self.port(part)}"

    def operations_url(self, service: Part) -> str:
        return f"http://localhost:{self.settings[service.ports[1]]}"

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts that run here; a server whose address is in the settings runs elsewhere."""
        elsewhere = set() if self.settings.get("CONSOLE_PORT") else {CONSOLE}
        if self.settings.get("KAFKA_BOOTSTRAP_SERVERS"):
            elsewhere.add(KAFKA)
        if all(self.given_database_url(service) for service in SERVICES):
            elsewhere.add(POSTGRES)
        if not self.shows_traces:
            elsewhere |= {ZIPKIN, SPAN_RECEIVER}
        return tuple(part for part in PARTS if part not in elsewhere)

    @property
    def shows_traces(self) -> bool:
        """Whether the services send their spans to Zipkin, which then runs here."""
        return self.settings.get("OTEL_EXPORTER_OTLP_ENDPOINT") == self.url(SPAN_RECEIVER)

    @property
    def topic_prefix(self) -> str:
        return self.settings.get("KAFKA_TOPIC_PREFIX", "")

    @property
    def bootstrap_servers(self) -> str:
        return self.settings.get("KAFKA_BOOTSTRAP_SERVERS") or f"127.0.0.1:{self.port(KAFKA)}"

    @property
    def kafka_connection(self) -> "KafkaConnection":
        from local_stack.connections import kafka_connection

        return kafka_connection(self.settings, self.bootstrap_servers)

    @property
    def _kafka_reached_at(self) -> str:
        return self.settings.get("KAFKA_REACHED_AT") or f"127.0.0.1:{self.port(KAFKA)}"

    def database_url(self, service: Part) -> str:
        """The URL for tools, with the role that owns the tables, and the TLS parameters of `DATABASE_TLS`."""
        url = self.owner_url(service)
        if self.settings.get("DATABASE_TLS", "prefer") == "prefer":
            return url
        from local_stack.connections import database_tls

        return database_tls(self.settings).in_url(url)

    def given_database_url(self, service: Part) -> str | None:
        """The URL with the serving role, if the settings name a database that runs elsewhere."""
        return self.settings.get(f"{service.setting_prefix}_DATABASE_URL")

    def owner_url(self, service: Part) -> str:
        given = self.settings.get(f"{service.setting_prefix}_DATABASE_OWNER_URL") or self.given_database_url(service)
        server = f"127.0.0.1:{self.port(POSTGRES)}"
        return given or postgres_url(service.package, self._password(service), server, service.package)

    def serving_url(self, service: Part) -> str:
        """The URL with the role that the service's processes connect as."""
        server = self.settings.get("POSTGRES_REACHED_AT") or f"127.0.0.1:{self.port(POSTGRES)}"
        made = postgres_url(serving_role(service.package), self._password(service, "_SERVING"), server, service.package)
        return self.given_database_url(service) or made

    def serving_role(self, service: Part) -> str:
        return unquote(urlsplit(self.serving_url(service)).username or "")

    def _password(self, service: Part, role: str = "") -> str:
        return self.settings[f"{service.setting_prefix}_DATABASE{role}_PASSWORD"]

    def create_database(self, service: Part) -> None:
        """Creates the service's database and both of its roles, on the PostgreSQL that runs here."""
        passwords = self._password(service), self._password(service, "_SERVING")
        self.postgres.create_service_database(service.package, *passwords)

    @cached_property
    def postgres(self) -> "EmbeddedPostgres":
        from local_stack.postgres import EmbeddedPostgres

        extra = dict(item.split("=", 1) for item in self.settings.get("POSTGRES_SETTINGS", "").split())
        return EmbeddedPostgres(
            self.local / "postgres",
            self.port(POSTGRES),
            password=self.settings["POSTGRES_PASSWORD"],
            settings=extra,
            socket_dir=self.sockets / "postgres",
            log=self.log(POSTGRES),
        )

    @cached_property
    def kafka(self) -> "EmbeddedKafka":
        from local_stack.kafka import EmbeddedKafka

        return EmbeddedKafka(
            self.local / "kafka",
            self.port(KAFKA),
            int(self.settings["KAFKA_CONTROLLER_PORT"]),
            heap=self.settings["KAFKA_HEAP"],
            settings={"advertised.listeners": f"PLAINTEXT://{self._kafka_reached_at}"},
            log=self.log(KAFKA),
            progress=self.progress,
            repository=self.settings["MAVEN_REPOSITORY"],
        )

    def server(self, part: Part) -> "EmbeddedServer":
        return self.postgres if part == POSTGRES else self.kafka

    def process_environment(self, part: Part) -> dict[str, str]:
        """The environment of one part: ENV_FILE, which names the settings, and the derived settings."""
        passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        here = {"ENV_FILE": str(self.env_file), SHOP: str(self.directory), "PYTHONUNBUFFERED": "1", **passed}
        if part.kind == "sandbox":
            here["SANDBOX_DATA_DIR"] = str(self.local / "sandbox")
        if part.kind == "service":
            here["KAFKA_BOOTSTRAP_SERVERS"] = self.settings.get("KAFKA_BOOTSTRAP_SERVERS") or self._kafka_reached_at
            here[f"{part.setting_prefix}_DATABASE_URL"] = self.serving_url(part)
            if self.shows_traces:  # the exporter uses the proxy of the environment
                here["NO_PROXY"] = ",".join([*filter(None, [here.get("NO_PROXY")]), "localhost"])
        return here

    def migration_environment(self, service: Part) -> dict[str, str]:
        """The environment of a migration, which connects as the owner of the tables."""
        return self.process_environment(service) | {
            f"{service.setting_prefix}_DATABASE_OWNER_URL": self.owner_url(service)
        }
