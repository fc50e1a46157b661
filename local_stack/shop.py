"""The shop as an object, which `make up` and the tests of the whole system start, stop and kill."""

import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from aiokafka.errors import KafkaError

from local_stack import ports
from local_stack.environment import ROOT, assign
from local_stack.errors import StackError
from local_stack.kafka import run
from local_stack.layout import Layout
from local_stack.parts import KAFKA, PARTS, POSTGRES, SERVICES, SPAN_RECEIVER, Part, part
from local_stack.process import kill_tree, tail
from local_stack.supervision import State, Supervisor
from service_kit.database import migrations
from service_kit.database.administration import administration
from service_kit.messaging.administration import BrokerRejected, create_topics
from service_kit.messaging.connection import KafkaConnection

Progress = Callable[[str], None]
# After so many failed starts a process is reported as broken, though the supervisor keeps trying.
ATTEMPTS = 3


class Shop:
    """A shop of its own in `directory`: settings, data, logs, ports.

    If the directory has no `.env` yet, `settings` replace values of `.env.example`, and with `free_ports` it gets ports
    that nothing else on this machine uses, unless `settings` name them. Parts are named `postgres`, `kafka`, `gateway`,
    `mailbox`, `user`, `product`, `inventory`, `order`, `notification`, `console`."""

    def __init__(
        self,
        directory: Path = ROOT,
        *,
        settings: Mapping[str, str] | None = None,
        free_ports: bool = False,
        autorestart: bool = True,
        progress: Progress = lambda _: None,
    ) -> None:
        self._leased: list[int] = []
        self._overrides = {**(self._lease() if free_ports else {}), **(settings or {})}
        self._progress = progress
        self.layout = Layout(directory, progress)
        self.supervisor = Supervisor(self.layout, autorestart=autorestart)

    def _lease(self) -> dict[str, str]:
        names = [name for each in PARTS for name in each.ports]
        self._leased = ports.lease(len(names))
        return dict(zip(names, map(str, self._leased), strict=True))

    # --- addresses ---

    @property
    def settings(self) -> Mapping[str, str]:
        return self.layout.settings

    @property
    def bootstrap_servers(self) -> str:
        return self.layout.bootstrap_servers

    @property
    def kafka(self) -> KafkaConnection:
        """The connection of tools to Kafka, by the settings without a service's prefix."""
        return self.layout.kafka_connection

    def url(self, name: str) -> str:
        """The URL of a service or a part of the sandbox: `http://localhost:8002`."""
        return self.layout.url(part(name))

    def operations_url(self, name: str) -> str:
        """The URL of a service's metrics and detailed health: `http://localhost:18002`."""
        return self.layout.operations_url(part(name))

    def database_url(self, name: str) -> str:
        return self.layout.database_url(part(name))

    def log(self, name: str) -> Path:
        return self.layout.log(part(name))

    # --- all of it ---

    def prepare(self) -> None:
        """Creates the settings and starts the supervisor, but no part."""
        self.layout.ensure_environment(self._overrides)
        if not self.supervisor.is_running():
            self.supervisor.end_orphans()
        down = self._parts_down()
        wanted = {f"{each.title}, {name}": int(self.settings[name]) for each in down for name in each.ports}
        ports.require_free(wanted)
        self.supervisor.start()

    def up(self) -> None:
        """Starts everything and waits until it is ready; returns quickly if it is."""
        self.prepare()
        self.up_servers()
        rest = [each for each in self.layout.parts if each.kind != "server"]
        for each in rest:
            self.supervisor.start_part(each)
        self._wait_ready(rest)

    def is_up(self) -> bool:
        """Whether every part is ready now."""
        return self.supervisor.is_running() and all(self.is_ready(each.name) for each in self.layout.parts)

    def up_servers(self) -> None:
        """Starts PostgreSQL and Kafka, and creates databases, tables and topics; after `prepare`."""
        with ThreadPoolExecutor(2) as threads:
            for step in [threads.submit(self._up_postgres), threads.submit(self._up_kafka)]:
                step.result()

    def down(self) -> None:
        """Stops everything, the services first, so that they can finish their work with Kafka and PostgreSQL."""
        if self.supervisor.is_running():
            self.supervisor.stop_parts([each for each in self.layout.parts if each.kind != "server"])
            self.supervisor.stop_parts([KAFKA, POSTGRES])
            self.supervisor.shutdown()
        else:
            self.supervisor.end_orphans()
        ports.release(self._leased)

    def _up_postgres(self) -> None:
        if POSTGRES in self.layout.parts:
            self._up_server(POSTGRES)
            for service in SERVICES:
                if not self.layout.given_database_url(service):
                    self.layout.create_database(service)
        with ThreadPoolExecutor(len(SERVICES)) as threads:
            list(threads.map(self._migrate, SERVICES))
        self._progress("Databases and their tables: ready")

    def _up_server(self, server: Part) -> None:
        self.layout.server(server).prepare()
        self.supervisor.start_part(server)
        self._wait_ready([server])

    def _up_kafka(self) -> None:
        if KAFKA in self.layout.parts:
            self._up_server(KAFKA)
        try:
            run(create_topics(self.kafka, self.layout.topic_prefix))
        except BrokerRejected as error:
            raise StackError(str(error)) from error
        except KafkaError as error:
            raise StackError(
                f"Kafka at {self.bootstrap_servers} does not answer ({error}): start it, or empty "
                "KAFKA_BOOTSTRAP_SERVERS in .env to have one started here."
            ) from error
        self._progress("Topics: ready")

    def _migrate(self, service: Part) -> None:
        layout = self.layout
        if migrations.is_current(
            service.package, layout.database_url(service), serving_role=layout.serving_role(service)
        ):
            return
        done = subprocess.run(
            [sys.executable, "-m", "service_kit", "migrate", service.package],
            cwd=ROOT,
            env=layout.migration_environment(service),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise StackError(f"The migrations of {service.package} failed:\n{(done.stdout + done.stderr)[-3000:]}")

    def show_traces(self) -> None:
        """Starts Zipkin in a running shop, and makes the services send it their spans; while they restart, one after
        the other, they serve no requests."""
        self.layout.ensure_environment()
        if self.layout.shows_traces:
            self.up()
            return
        assign(self.layout.env_file, "OTEL_EXPORTER_OTLP_ENDPOINT", self.layout.url(SPAN_RECEIVER))
        self.up()
        for service in SERVICES:
            self.restart(service.name)

    # --- one part ---

    def start(self, name: str) -> None:
        """Starts a part; `wait_ready` waits until it is ready."""
        self.supervisor.start_part(part(name))

    def stop(self, name: str) -> None:
        """Stops a part, waits until it has ended, and leaves it down."""
        self.supervisor.stop_parts([part(name)])

    def kill(self, name: str) -> None:
        """SIGKILL. The supervisor restarts the part, unless `autorestart` is off: then `start` does."""
        kill_tree(self.pid(name))

    def restart(self, name: str) -> None:
        """Restarts one part with the current settings of `.env`; returns when it is ready."""
        self.stop(name)
        self.start(name)
        self.wait_ready(name)

    def pid(self, name: str) -> int:
        state = self.states().get(part(name).name)
        if state is None or not state.pid:
            raise StackError(f"{name} is not running.")
        return state.pid

    def states(self) -> dict[str, State]:
        return self.supervisor.states()

    def is_ready(self, name: str) -> bool:
        chosen = part(name)
        if chosen.kind == "server":
            return self.layout.server(chosen).is_ready()
        url = f"http://127.0.0.1:{self.layout.port(chosen)}{chosen.ready_path}"
        try:
            # It is plain HTTP: loading certificates for each request would cost more than the request.
            return httpx.get(url, timeout=5, verify=False).status_code == 200
        except httpx.TransportError:
            return False

    def wait_ready(self, *names: str, timeout: float = 180) -> None:
        """Waits for all parts, or those named."""
        self._wait_ready([part(name) for name in names] or list(self.layout.parts), timeout)

    def _wait_ready(self, waiting: Iterable[Part], timeout: float = 180) -> None:
        pending = list(waiting)
        started = time.monotonic()
        pids: dict[str, set[int]] = defaultdict(set)
        while pending:
            states = self.states()
            for each in list(pending):
                state = states[each.name]
                pids[each.name] |= {state.pid} - {0}
                if state.is_up and self.is_ready(each.name):
                    self._progress(f"{each.title}: ready after {time.monotonic() - started:.1f} s")
                    pending.remove(each)
                elif self._is_broken(state, len(pids[each.name])) or time.monotonic() - started > timeout:
                    raise StackError(self._why_not(each, state))
            time.sleep(0.1)

    def _is_broken(self, state: State, attempts: int) -> bool:
        if state.name == "EXITED":
            return not self.supervisor.autorestart
        return state.name == "FATAL" or (state.name == "BACKOFF" and attempts >= ATTEMPTS)

    def _why_not(self, each: Part, state: State) -> str:
        log = self.layout.log(each)
        return f"{each.title} is not ready ({state.name.lower()}: {state.words}). The end of {log}:\n{tail(log)}"

    # --- state ---

    def outbox_backlog(self, name: str) -> int:
        """The number of events that are committed but not yet published."""
        with administration(self.database_url(name)) as cursor:
            cursor.execute("SELECT count(*) FROM outbox WHERE published_at IS NULL AND parked_at IS NULL")
            row = cursor.fetchone()
            return int(row[0]) if row else 0

    def _parts_down(self) -> list[Part]:
        states = self.states()
        return [each for each in self.layout.parts if each.name not in states or not states[each.name].is_up]
