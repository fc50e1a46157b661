"""`python -m service_kit <command>`: runs a service, migrates its database, or prepares the servers of a deployment."""

import argparse
import gc
import importlib
import json
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError

from contracts.topics import TOPICS
from service_kit.settings import BrokerSettings, DatabaseCreationSettings, MigrationSettings, ServiceSettings

COMMANDS = {
    "serve": "run a service: API, consumers and jobs",
    "migrate": "bring a service's database to the newest revision",
    "prune-audit-log": "delete entries of a service's audit log that are older than AUDIT_RETENTION",
    "make-migration": "write a revision from the difference between models and database",
    "check-migrations": "fail where the models differ from the migrations",
    "topics": "create the topics on Kafka, and correct their configuration",
    "grow-topic": "add partitions to a topic while the services run, without changing the order of events",
    "acls": "print what each service may do on Kafka, as arguments of kafka-acls.sh",
    "database": "create the databases of services, and their roles, on PostgreSQL",
    "restored": "after a service's database was restored: recover what events tell, and read topics again",
}


def main() -> None:
    arguments = _arguments()
    if arguments.command == "serve":
        read = importlib.import_module(f"{arguments.service}.settings").Settings
        _serve(arguments.service, _or_exit(arguments.service, read))
    elif arguments.command in ("topics", "grow-topic", "acls", "database"):
        _prepare_servers(arguments)
    elif arguments.command == "restored":
        _recover(arguments)
    else:
        _migrate(arguments)


def _prepare_servers(arguments: argparse.Namespace) -> None:
    from service_kit import deployment
    from service_kit.messaging.administration import BrokerRejected
    from service_kit.messaging.growth import NotGrown

    try:
        if arguments.command == "topics":
            print(deployment.create_topics(_or_exit("topics", BrokerSettings)))
        elif arguments.command == "grow-topic":
            print(_grow(arguments))
        elif arguments.command == "database":
            for service in arguments.services:
                settings = _or_exit(service, partial(DatabaseCreationSettings.of, service))
                print(deployment.create_service_database(service, settings))
        elif arguments.apply:
            print(deployment.create_acls(_or_exit("acls", BrokerSettings)))
        else:
            print(deployment.acl_arguments())
    except (BrokerRejected, NotGrown, deployment.ServerUnreachable) as error:
        sys.exit(str(error))


def _grow(arguments: argparse.Namespace) -> str:
    from service_kit import deployment

    writers = next(topic.writers for topic in TOPICS if topic.name == arguments.topic)
    databases = {each: _or_exit(each, partial(MigrationSettings.of, f"{each}_service")) for each in writers}
    broker = _or_exit("grow-topic", BrokerSettings)
    return deployment.grow(arguments.topic, arguments.partitions, broker, databases, arguments.hold)


def _recover(arguments: argparse.Namespace) -> None:
    """Prints the report as JSON; logs go to stderr."""
    from service_kit.messaging.journal import GroupIsActive
    from service_kit.recovery import WorkedSince, restored
    from service_kit.telemetry.logs import configure_logs

    read = importlib.import_module(f"{arguments.service}.settings").Settings
    settings = _or_exit(arguments.service, read)
    try:
        with redirect_stdout(sys.stderr):
            configure_logs(service=settings.service_name, level=settings.log_level, style=settings.log_format)
            report = restored(arguments.service, arguments.moment, settings)
    except (GroupIsActive, WorkedSince) as error:
        sys.exit(str(error))
    print(json.dumps(report, indent=2))


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return moment


def _migrate(arguments: argparse.Namespace) -> None:
    """Runs a command on a service's database. It imports Alembic itself, which serving does not need."""
    from service_kit.database import migrations
    from service_kit.database.adoption import TooOld
    from service_kit.database.tls import Tls

    settings = _or_exit(arguments.service, lambda: MigrationSettings.of(arguments.service))
    url = settings.owner_url.get_secret_value()
    tls = Tls.of(settings)
    try:
        if arguments.command == "migrate":
            migrations.upgrade(arguments.service, url, tls=tls, serving_role=_serving_role(settings))
        if arguments.command in ("migrate", "prune-audit-log"):
            migrations.prune_audit_log(url, settings.audit_retention, tls=tls)
        elif arguments.command == "make-migration":
            migrations.make(arguments.service, url, arguments.message, of_kit=arguments.kit, tls=tls)
        elif differences := migrations.differences(arguments.service, url, tls):
            sys.exit("\n".join([f"{arguments.service}: the models differ from the migrations:", *differences]))
    except (TooOld, migrations.StillLocked) as error:
        sys.exit(str(error))


def _or_exit(service: str, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except ValidationError as error:
        words = [": ".join([*(str(name).upper() for name in each["loc"]), each["msg"]]) for each in error.errors()]
        sys.exit("\n  ".join([f"{service} does not start with these settings:", *words]))


def _serving_role(settings: MigrationSettings) -> str | None:
    """The role of DATABASE_URL, which the migrations grant access; None: the same role migrates."""
    if settings.database_owner_url is None:
        return None
    return unquote(urlsplit(settings.database_url.get_secret_value()).username or "") or None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m service_kit")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, help in COMMANDS.items():
        command = commands.add_parser(name, help=help, description=help)
        if name == "database":
            command.add_argument("services", nargs="+", metavar="service", help="the package, such as order_service")
        elif name == "acls":
            command.add_argument("--apply", action="store_true", help="add the entries on Kafka instead")
        elif name == "grow-topic":
            command.add_argument("topic", choices=[topic.name for topic in TOPICS])
            command.add_argument("partitions", type=int, help="how many the topic is to have")
            words = "seconds for which its events wait afterwards: 60 if services older than 0.10 run, else 0"
            command.add_argument("--hold", type=float, default=0, help=words)
        elif name != "topics":
            of_image = os.environ.get("SERVICE_PACKAGE")
            words = "the package, such as order_service; default: SERVICE_PACKAGE, which a service's image sets"
            command.add_argument("service", nargs="?" if of_image else None, default=of_image, help=words)
        if name == "restored":
            words = "the time to which it was restored, with its zone: 2026-11-29T14:00:00Z"
            command.add_argument("--moment", type=_moment, required=True, help=words)
        if name == "make-migration":
            command.add_argument("-m", "--message", default="change", help="what the new migration does")
            command.add_argument("--kit", action="store_true", help="for the tables that every service has")
    return parser.parse_args()


def _serve(service: str, settings: ServiceSettings) -> None:
    from service_kit.http.headers import ResponseHeaders
    from service_kit.http.server import Config, DrainingServer, LimitedProtocol, allow_connections

    app = _create(service, settings)
    on_both_ports: dict[str, Any] = {
        "host": settings.listen_host,
        "http": LimitedProtocol,
        "access_log": False,
        "log_config": None,
        "server_header": False,
        # Longer than load balancers keep idle connections (usually 60 s), so none reuses one that is closing.
        "timeout_keep_alive": 75,
        "proxy_headers": False,  # `service_kit.http.client` reads them, if the settings name trusted proxies
    }
    config = Config(
        app,
        port=settings.port,
        loop="uvloop",
        # Of the time to stop, a fifth is for requests, a tenth for jobs (`Runtime.stop`), and the rest for events.
        timeout_graceful_shutdown=int(settings.stop_seconds / 5),
        **on_both_ports,
    )
    config.response_headers = ResponseHeaders(settings.public_issuer, settings.cors_origins)
    config.limits = settings
    operations = Config(app.state.operations, port=settings.operations_port, lifespan="off", **on_both_ports)
    allow_connections(settings.max_connections)
    drain, drain_seconds = app.state.runtime.drain, settings.drain_seconds
    server = DrainingServer(config, drain=drain, drain_seconds=drain_seconds, operations=operations)
    server.run()
    if not server.started:
        sys.exit(3)


def _create(service: str, settings: ServiceSettings) -> Any:
    """The application. The garbage collector ignores its code and models, which live as long as the process.

    Otherwise, full collections under load would sometimes block all requests for 130 ms.
    """
    gc.disable()
    create = importlib.import_module(f"{service}.main").create
    gc.freeze()
    gc.enable()
    return create(settings)


if __name__ == "__main__":
    main()
