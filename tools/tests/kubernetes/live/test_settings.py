"""What is missing is named before anything is changed."""

from pathlib import Path

import pytest

from tools.kubernetes.live.kubectl import ClusterError, Kubectl
from tools.kubernetes.live.settings import Settings


def kubectl(directory: Path, answers: str) -> Kubectl:
    """A program that answers by its first argument; it knows no other one."""
    program = directory / "kubectl"
    program.write_text(f"#!/bin/sh\ncase $1 in\n{answers}\n*) echo refused >&2; exit 1;;\nesac\n")
    program.chmod(0o755)
    return Kubectl((str(program),))


def missing(settings: Settings, *steps: str) -> str:
    with pytest.raises(ClusterError) as raised:
        settings.check(steps)
    return str(raised.value)


def test_a_program_that_does_not_exist() -> None:
    assert "/nowhere was not found: name kubectl by KUBECTL=" in missing(Settings(Kubectl(("/nowhere",))))


def test_a_cluster_that_does_not_answer(tmp_path: Path) -> None:
    assert "No cluster answers" in missing(Settings(kubectl(tmp_path, "")))


EMPTY = "version) ;;\nget) [ $2 = namespaces ];;"
INSTALLED = "version) ;;\nget) [ $2 = namespaces ] && echo namespace/online-mart;;"


def test_no_command_that_loads_images(tmp_path: Path) -> None:
    assert missing(Settings(kubectl(tmp_path, EMPTY)), "install").startswith("LOAD_IMAGE is missing")


def test_a_shop_that_exists_is_not_touched(tmp_path: Path) -> None:
    words = missing(Settings(kubectl(tmp_path, INSTALLED), load_image=("true",), build=False), "install")
    assert "has one already" in words
    assert words.endswith("delete namespace/online-mart")


def test_no_shop_to_check(tmp_path: Path) -> None:
    assert "install one first" in missing(Settings(kubectl(tmp_path, EMPTY)), "replay")


def test_no_metrics(tmp_path: Path) -> None:
    assert "no metrics-server" in missing(Settings(kubectl(tmp_path, INSTALLED)), "autoscaling")


def test_no_definitions(tmp_path: Path) -> None:
    answering = kubectl(tmp_path, EMPTY)
    assert missing(Settings(answering), "operators").startswith("CRDS: nothing is named")
    assert "/nowhere" in missing(Settings(answering, crds=(Path("/nowhere"),)), "operators")
