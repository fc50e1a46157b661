"""Apache Kafka (KRaft, one node) on this machine: the real broker, from hash-checked jars."""

import asyncio
import base64
import os
import shutil
import subprocess
import uuid
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from local_stack import jars, ports
from local_stack.errors import StackError
from local_stack.java import java
from local_stack.process import EmbeddedServer
from service_kit.messaging.connection import KafkaConnection

T = TypeVar("T")

# Class data sharing and only the C1 compiler, so that one small node starts quickly.
JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Djava.awt.headless=true")
LOGGING = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)

SETTINGS: Mapping[str, str] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
    # A misspelt topic must be an error, not a new topic.
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "8",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    # After a kill -9, the controller rejects the new process until the old session has expired.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "log.cleaner.dedupe.buffer.size": "16777216",
}


class EmbeddedKafka(EmbeddedServer):
    """One broker, with its controller on `controller_port`.

    `connection`: for the readiness check, if `settings` make the broker require certificates or passwords. `users`:
    passwords by name (SCRAM-SHA-512), which are stored when the data directory is formatted. `cluster_id`: the same for
    all brokers of a cluster, whose `settings` name each other.
    """

    start_seconds = 90

    def __init__(
        self,
        data_dir: Path,
        port: int,
        controller_port: int,
        *,
        heap: str = "512m",
        settings: Mapping[str, str] | None = None,
        log: Path | None = None,
        connection: KafkaConnection | None = None,
        users: Mapping[str, str] | None = None,
        cluster_id: str | None = None,
        progress: jars.Progress = lambda _: None,
        repository: str = jars.MAVEN_CENTRAL,
    ) -> None:
        super().__init__("Kafka", data_dir, port, log)
        self.bootstrap_servers = f"127.0.0.1:{port}"
        self._controller = f"127.0.0.1:{controller_port}"
        self._heap = heap
        self._settings = dict(settings or {})
        self._connection = connection or KafkaConnection.plain(self.bootstrap_servers)
        self._users = dict(users or {})
        self._cluster_id = cluster_id or new_cluster_id()
        self._progress = progress
        self._repository = repository
        self._configuration = self.data_dir / "server.properties"
        self._log_dir = self.data_dir / "logs"

    def command(self) -> list[str]:
        memory = (f"-Xmx{self._heap}", "-Xms128m" if self._heap.endswith("m") else f"-Xms{self._heap}")
        return [*self._java(*memory), "kafka.Kafka", str(self._configuration)]

    def prepare(self) -> None:
        jars.fetch(self._progress, repository=self._repository)
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._configuration.write_text("".join(f"{name}={value}\n" for name, value in self._properties().items()))
        formatted = self.data_dir / "formatted"
        if not formatted.exists():
            shutil.rmtree(self._log_dir, ignore_errors=True)  # left by an interrupted formatting
            self._format()
            formatted.touch()

    def is_ready(self) -> bool:
        # The port is checked first, since a Kafka client that can't connect logs an error each time.
        return ports.is_open(self.port) and run(serves(self._connection))

    def _properties(self) -> dict[str, str]:
        listeners = f"PLAINTEXT://{self.bootstrap_servers}"
        return {
            **SETTINGS,
            "listeners": f"{listeners},CONTROLLER://{self._controller}",
            "advertised.listeners": listeners,
            "controller.quorum.voters": f"1@{self._controller}",
            "log.dirs": str(self._log_dir),
            **self._settings,
        }

    def _java(self, *memory: str) -> list[str]:
        directory = jars.cache_directory()
        names = (path.rsplit("/", 1)[1] for path in jars.read_lock())
        class_path = os.pathsep.join(str(directory / name) for name in names)
        return [str(java()), *memory, *JVM, *LOGGING, "-cp", class_path]

    def set_password(self, user: str, password: str, client: Path) -> None:
        """Creates a SCRAM user, or changes its password. `client`: a file with the connection of an admin."""
        self._alter_user(user, client, "--add-config", f"SCRAM-SHA-512=[password={password}]")

    def remove_user(self, user: str, client: Path) -> None:
        self._alter_user(user, client, "--delete-config", "SCRAM-SHA-512")

    def _alter_user(self, user: str, client: Path, *change: str) -> None:
        """By Kafka's own tool, since aiokafka has no such request."""
        command = [*self._java("-Xmx128m"), "kafka.admin.ConfigCommand", "--bootstrap-server", self.bootstrap_servers]
        command += ["--command-config", str(client), "--entity-type", "users", "--entity-name", user, "--alter"]
        done = subprocess.run([*command, *change], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise StackError(f"Kafka did not change the user {user}:\n{done.stdout}{done.stderr}")

    def _format(self) -> None:
        command = [*self._java("-Xmx256m"), "kafka.tools.StorageTool", "format", "--ignore-formatted"]
        command += [f"--cluster-id={self._cluster_id}", "--config", str(self._configuration)]
        command += [f"--add-scram=SCRAM-SHA-512=[name={name},password={word}]" for name, word in self._users.items()]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise StackError(f"Kafka could not format {self._log_dir}:\n{done.stdout}{done.stderr}")


def new_cluster_id() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


async def serves(kafka: KafkaConnection) -> bool:
    """Whether the broker has joined its own cluster, which happens some time after it opens its port."""
    client = AIOKafkaAdminClient(**kafka.arguments(), request_timeout_ms=5000)
    try:
        await client.start()
        cluster = await client.describe_cluster()
    except (KafkaError, OSError):
        return False
    finally:
        await client.close()
    return bool(cluster["brokers"])


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs `work` to its end, even if this thread has a running event loop (in fixtures of async tests)."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
