"""docker-compose.yml gives each container only what it needs."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from contracts.topics import TOPICS
from local_stack.environment import ROOT
from local_stack.parts import SERVICES
from local_stack.postgres import WITHOUT_DURABILITY, EmbeddedPostgres
from service_kit.database.administration import administration
from tools.container_secrets import HANDED_OUT, make_secrets

CONTAINERS: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
CAPABILITIES = {
    "postgres": ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"],
    "collector": ["DAC_READ_SEARCH"],
}
OBSERVERS = {"prometheus", "alertmanager", "collector", "victoria-logs", "zipkin", "grafana"}
# The container that creates the secrets, so that it has all of them.
KNOWS_ALL = "secrets"


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_has_few_privileges(name: str) -> None:
    container = CONTAINERS[name]
    assert container["cap_drop"] == ["ALL"]
    assert container.get("cap_add", []) == CAPABILITIES.get(name, [])
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert container["read_only"] is (name != "kafka")
    assert container["mem_limit"] in {"512m", "1g"}
    assert 0 < container["pids_limit"] <= 512


@pytest.mark.parametrize("name", sorted(CONTAINERS.keys() - {KNOWS_ALL}))
def test_a_container_reads_only_its_own_secrets(name: str) -> None:
    mounts = [mount for mount in CONTAINERS[name].get("volumes", []) if "secrets" in str(mount)]
    if name not in HANDED_OUT:
        assert mounts == []
        return
    part = {"subpath": f"of/{name}"}
    assert mounts == [{"type": "volume", "source": "secrets", "target": "/secrets", "read_only": True, "volume": part}]
    files = {
        Path(value).name for value in CONTAINERS[name].get("environment", {}).values() if "/secrets/" in str(value)
    }
    if files:
        assert files == set(HANDED_OUT[name])


def test_every_secret_exists_and_services_never_get_the_owners_password(tmp_path: Path) -> None:
    make_secrets(tmp_path, "postgres:5432")
    for name, secrets in HANDED_OUT.items():
        assert {file.name for file in (tmp_path / "of" / name).iterdir()} == set(secrets)
    for service in SERVICES:
        url = (tmp_path / "of" / service.name / f"{service.name}_database_url").read_text()
        assert url.startswith(f"postgresql://{service.package}_serving:")
        owner = (tmp_path / f"{service.name}_database_password").read_text()
        served = [file.read_text() for file in (tmp_path / "of" / service.name).iterdir()]
        assert not any(owner in text for text in served)
        migrating = (tmp_path / "of" / f"{service.name}-migration" / f"{service.name}_database_owner_url").read_text()
        assert migrating == f"postgresql://{service.package}:{owner}@postgres:5432/{service.package}"


def test_only_a_profile_starts_what_is_beside_the_shop() -> None:
    assert {name for name, container in CONTAINERS.items() if "profiles" in container} == {*OBSERVERS, "backup"}
    for name in OBSERVERS - {"collector"}:  # which only other containers reach
        assert all(port.startswith("127.0.0.1:") for port in CONTAINERS[name]["ports"])


@pytest.mark.parametrize("name", sorted(OBSERVERS))
def test_the_files_that_a_container_mounts_exist(name: str) -> None:
    mounted = [mount.split(":")[0] for mount in CONTAINERS[name].get("volumes", []) if mount.startswith("./")]
    assert all((ROOT / path).exists() for path in mounted), mounted


def _run(name: str, directory: Path, **settings: str) -> str:
    """Runs a container's command as a process, with the container's environment."""
    container = CONTAINERS[name]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    given = {
        key: str(value).replace("/secrets/", f"{directory}/of/{name}/")
        for key, value in container["environment"].items()
    }
    command = [*container.get("entrypoint", []), *container["command"]]
    service = f"{name.removesuffix('-migration')}_service"
    environment = {**given, "ENV_FILE": os.devnull, "SERVICE_PACKAGE": service, "PATH": path, **settings}
    text = [part.replace("$$", "$") for part in command]  # as compose reads it
    done = subprocess.run(text, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_setup_container_prepares_both_servers_with_its_own_secrets(
    server_directory: Path, free_port: int, kafka: str, tmp_path: Path
) -> None:
    make_secrets(tmp_path, f"127.0.0.1:{free_port}")
    password = (tmp_path / "postgres_password").read_text()
    server = EmbeddedPostgres(server_directory / "postgres", free_port, password=password, settings=WITHOUT_DURABILITY)
    server.start()
    try:
        prefix = f"compose-{uuid4().hex[:8]}."
        printed = _run("setup", tmp_path, KAFKA_BOOTSTRAP_SERVERS=kafka, KAFKA_TOPIC_PREFIX=prefix)
        assert f"{2 * len(TOPICS)} topics created" in printed
        for service in SERVICES:
            assert f"{service.package}: its database and roles are there." in printed
        _run("order-migration", tmp_path)
        with administration((tmp_path / "of/order/order_database_url").read_text()) as cursor:
            cursor.execute("SELECT count(*) FROM orders")
            assert cursor.fetchone() == (0,)
    finally:
        server.kill()
