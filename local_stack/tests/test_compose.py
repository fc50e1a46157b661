"""docker-compose.yml gives each container what it needs and nothing else."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from local_stack.environment import ROOT
from local_stack.parts import SERVICES
from local_stack.preparation import HANDED_OUT, make_secrets

CONTAINERS: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
# It makes them.
KNOWS_ALL = "secrets"


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_may_do_little(name: str) -> None:
    container = CONTAINERS[name]
    assert container["cap_drop"] == ["ALL"]
    assert container.get("cap_add", []) == (
        ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"] if name == "postgres" else []
    )
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert container["read_only"] is (name != "kafka")
    assert container["mem_limit"] in {"512m", "1g"}
    assert 0 < container["pids_limit"] <= 512


@pytest.mark.parametrize("name", sorted(CONTAINERS.keys() - {KNOWS_ALL}))
def test_a_container_reads_its_own_secrets_alone(name: str) -> None:
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


def test_what_is_handed_out_is_there_and_no_password_of_an_owner_is_among_what_serves(tmp_path: Path) -> None:
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
