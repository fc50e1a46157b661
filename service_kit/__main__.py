"""`python -m service_kit <command> <service>`: serve, migrate, prune-audit-log, make-migration, check-migrations."""

import argparse
import gc
import importlib
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError

from service_kit.settings import MigrationSettings, ServiceSettings

COMMANDS = ("serve", "migrate", "prune-audit-log", "make-migration", "check-migrations")


def main() -> None:
    arguments = _arguments()
    if arguments.command == "serve":
        _serve(arguments.service, _settings(arguments.service))
    else:
        _work_on_the_database(arguments)


def _work_on_the_database(arguments: argparse.Namespace) -> None:
    """Imports what serving does without."""
    from service_kit.database import migrations
    from service_kit.database.adoption import TooOld
    from service_kit.database.tls import Tls

    settings = _or_exit(arguments.service, lambda: MigrationSettings.of(arguments.service))
    url = (settings.database_owner_url or settings.database_url).get_secret_value()
    tls = Tls.of(settings)
    try:
        if arguments.command == "migrate":
            migrations.upgrade(arguments.service, url, tls=tls, serving_role=_serving_role(settings))
        if arguments.command in ("migrate", "prune-audit-log"):
            migrations.prune_audit_log(url, settings.audit_kept, tls=tls)
        elif arguments.command == "make-migration":
            migrations.make(arguments.service, url, arguments.message, of_kit=arguments.kit, tls=tls)
        elif differences := migrations.differences(arguments.service, url, tls):
            sys.exit("\n".join([f"{arguments.service}: the models differ from the migrations:", *differences]))
    except TooOld as error:
        sys.exit(str(error))


def _settings(service: str) -> ServiceSettings:
    settings: ServiceSettings = _or_exit(service, importlib.import_module(f"{service}.settings").Settings)
    return settings


def _or_exit(service: str, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except ValidationError as error:
        words = [": ".join([*(str(name).upper() for name in each["loc"]), each["msg"]]) for each in error.errors()]
        sys.exit("\n  ".join([f"{service} does not start with these settings:", *words]))


def _serving_role(settings: MigrationSettings) -> str | None:
    """Whose name DATABASE_URL has, where another role migrates."""
    if settings.database_owner_url is None:
        return None
    return unquote(urlsplit(settings.database_url.get_secret_value()).username or "") or None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m service_kit")
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("service", help="the package, such as order_service")
    parser.add_argument("-m", "--message", default="change", help="what a new migration does")
    parser.add_argument("--kit", action="store_true", help="make a migration of the tables that every service has")
    return parser.parse_args()


def _serve(service: str, settings: ServiceSettings) -> None:
    from service_kit.http.headers import ResponseHeaders
    from service_kit.http.server import Config, ConnectionLimits, LeavingServer, allow_connections

    create = _factory(service)
    made: list[Any] = []

    def application() -> Any:
        app = create()
        server.leave = app.state.runtime.leave
        made.append(app)
        return app

    common = _common(settings)
    config = Config(
        application,
        port=settings.port,
        loop="uvloop",
        # Of the time to stop in, a fifth for requests, a tenth for jobs, the rest for events.
        timeout_graceful_shutdown=int(settings.stop_seconds / 5),
        **common,
    )
    config.response_headers = ResponseHeaders(settings.public_issuer, settings.allowed_origins)
    config.limits = ConnectionLimits.of(settings)
    operations = Config(lambda: made[0].state.operations, port=settings.operations_port, lifespan="off", **common)
    allow_connections(settings.max_connections)
    server = LeavingServer(config, drain_seconds=settings.drain_seconds, operations=operations)
    server.run()
    if not server.started:
        sys.exit(3)


def _common(settings: ServiceSettings) -> dict[str, Any]:
    """What holds for both ports."""
    from service_kit.http.server import LimitedProtocol

    return {
        "factory": True,
        "host": settings.listen_host,
        "http": LimitedProtocol,
        "access_log": False,
        "log_config": None,
        "server_header": False,
        # Longer than balancers keep theirs (60 s as a rule): none sends into a connection that we are just closing.
        "timeout_keep_alive": 75,
        "proxy_headers": False,  # `service_kit.http.client` reads them, where the settings name proxies
    }


def _factory(service: str) -> Callable[[], Any]:
    """Code and models live as long as the process: the garbage collector never looks at them.

    Looking takes 130 ms, in which nothing is answered, and happens now and then under load.
    """
    gc.disable()
    create: Callable[[], Any] = importlib.import_module(f"{service}.main").create
    gc.freeze()
    gc.enable()
    return create


if __name__ == "__main__":
    main()
