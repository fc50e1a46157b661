"""Services start with the settings and secrets that the overlays give them: no name is unknown, no value is weak."""

import os
from importlib import import_module
from pathlib import Path

import pytest

from local_stack.parts import SERVICES, Part
from service_kit.settings import MigrationSettings, ServiceSettings
from tools.kubernetes.cluster import Cluster, Workload
from tools.kubernetes.external_secrets import external_secrets
from tools.kubernetes.names import DATA_NAMESPACE, NAMESPACE, OVERLAYS, SANDBOX_NAMESPACE
from tools.kubernetes.rules.secrets import files
from tools.kubernetes.secrets import local, mounted_by

IMAGE = {"LISTEN_HOST": "0.0.0.0", "PORT": "8000", "OPERATIONS_PORT": "9000", "ENV_FILE": "/dev/null"}
SECRET = "KqtRwZpxLmvBncYd-AeFgHiJkNoPsTuVw"


def environment(cluster: Cluster, workload: Workload, secrets: Path) -> dict[str, str]:
    """The variables of a container, whose Secret is in the directory `secrets`."""
    found = dict(IMAGE)
    [container] = workload.pod["containers"]
    for source in container.get("envFrom", []):
        config = cluster.find("ConfigMap", workload.namespace, source["configMapRef"]["name"])
        assert config is not None
        found |= config["data"]
    found |= {each["name"]: each["value"] for each in container["env"]}
    for file in files(cluster.overlay, str(workload.service), workload.component):
        url = f"postgresql://{workload.service}_role:{SECRET}@database/{workload.service}_service"
        (secrets / file).write_text(url if file.endswith("_url") else SECRET)
    return {name: value.replace("/secrets/", f"{secrets}/") for name, value in found.items()}


def set_environment(monkeypatch: pytest.MonkeyPatch, values: dict[str, str]) -> None:
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for name, value in values.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_service_starts(overlay: str, service: Part, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind: type[ServiceSettings] = import_module(f"{service.package}.settings").Settings
    cluster = Cluster.of(overlay)
    for workload in [each for each in cluster.deployments if each.service == service.name]:
        with monkeypatch.context() as patch:
            set_environment(patch, environment(cluster, workload, tmp_path))
            settings = kind()
        assert settings.service_role == workload.component
        assert settings.environment == ("production" if overlay == "production" else "development")
        assert settings.keys_url == "http://user-api/.well-known/jwks.json"
        assert (settings.port, settings.operations_port) == (8000, 9000)
        assert SECRET in settings.database_url.get_secret_value()
        assert settings.database_owner_url is None
        if overlay == "production":
            assert settings.kafka_sasl_username == f"{service.name}-service"
            assert settings.kafka_sasl_password.get_secret_value() == SECRET
            assert settings.kafka_ca_file == tmp_path / "kafka_ca"
            assert settings.database_ca_file == tmp_path / "database_ca"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_migration_starts(overlay: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster.of(overlay)
    [job] = [each for each in cluster.of_services if each.service == "order" and each.component == "migrate"]
    values = environment(cluster, job, tmp_path)
    with monkeypatch.context() as patch:
        set_environment(patch, values)
        settings = MigrationSettings.of("order_service")
    assert settings.database_owner_url is not None
    assert job.containers[0]["command"] == ["python", "-m", "service_kit", "migrate"]


def test_external_secrets_make_what_is_mounted() -> None:
    cluster = Cluster.of("production")
    made = {each["metadata"]["name"]: each["spec"] for each in external_secrets()}
    for workload in cluster.of_services:
        template = made[str(mounted_by(workload.name))]["target"]["template"]["data"]
        assert template.keys() == files("production", str(workload.service), workload.component)
        read = {each["secretKey"] for each in made[str(mounted_by(workload.name))]["data"]}
        used = {word for text in template.values() for word in text.split() if word.startswith(".")}
        assert used == {f".{name}" for name in read}


def test_serving_pods_never_get_the_owners_password() -> None:
    for secret in external_secrets():
        if secret["metadata"]["namespace"] == NAMESPACE and "migration" not in secret["metadata"]["name"]:
            assert "owner" not in str(secret["spec"])


def test_local_secrets_stay_once_they_are_made(tmp_path: Path) -> None:
    assert local(tmp_path) == local(tmp_path)


def test_local_secrets_hold_what_is_mounted(tmp_path: Path) -> None:
    made = {
        (each["metadata"]["namespace"], each["metadata"]["name"]): each["stringData"]
        for each in local(tmp_path)["items"]
        if each["kind"] == "Secret"
    }
    cluster = Cluster.of("local")
    for workload in cluster.workloads:
        for volume in workload.pod.get("volumes", []):
            if "secret" not in volume:
                continue
            values = made[workload.namespace, volume["secret"]["secretName"]]
            named = {
                each["value"].removeprefix("/secrets/")
                for container in workload.containers
                for each in container.get("env", [])
                if each["value"].startswith("/secrets/")
            }
            assert named <= values.keys()
            if workload.service:
                assert values.keys() == files("local", workload.service, workload.component)
    assert "@postgres.online-mart-data:5432/order_service" in made[NAMESPACE, "order-secrets"]["database_url"]
    assert {namespace for namespace, _ in made} == {NAMESPACE, DATA_NAMESPACE, SANDBOX_NAMESPACE}
