"""The generated files say what the contracts and the table say, and stale ones are found."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts.access import Grant, grants
from contracts.topics import all_topics
from service_kit.version import VERSION
from tools.kubernetes import check, generated, rendering
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.names import DIRECTORY, OVERLAYS, SERVICE_NAMES

PRODUCTION = Cluster.of("production")


def test_the_topics_are_those_of_the_contracts() -> None:
    found = {each["spec"]["topicName"]: each["spec"] for each in PRODUCTION.kind("KafkaTopic")}
    wanted = {topic.name: topic for topic in all_topics()}
    assert found.keys() == wanted.keys()
    for name, topic in wanted.items():
        assert found[name]["partitions"] == topic.partitions
        assert {key: str(value) for key, value in found[name]["config"].items()} == topic.config()


def test_the_users_may_do_what_the_contracts_grant() -> None:
    found = set()
    for user in PRODUCTION.kind("KafkaUser"):
        service = user["metadata"]["name"].removesuffix("-service")
        for rule in user["spec"]["authorization"]["acls"]:
            resource = rule["resource"]
            operation = rule["operations"][0].upper()
            found.add(Grant(service, resource["type"], resource["name"], operation))
            assert resource["patternType"] == "literal"
            assert rule["operations"][1:] == ["Describe"]  # which Kafka includes anyway
    assert found == set(grants())


def test_autoscalers_watch_the_groups_of_all_readers() -> None:
    groups = {
        each["spec"]["triggers"][0]["metadata"]["consumerGroup"]: each["spec"]
        for each in PRODUCTION.kind("ScaledObject")
    }
    assert groups.keys() == {grant.name for grant in grants() if grant.resource == "group"}
    assert {spec["maxReplicaCount"] for spec in groups.values()} == {24}, "each reads a topic with an order's events"


def test_each_release_has_migration_jobs_of_its_own() -> None:
    names = {each["metadata"]["name"] for each in PRODUCTION.kind("Job")}
    assert names == {f"{service}-migrate-{VERSION.replace('.', '-')}" for service in SERVICE_NAMES}


def test_a_stale_generated_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generated, "DIRECTORY", tmp_path)
    for name in generated.FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    assert len(list(generated.outdated())) == len(generated.FILES)
    generated.write()
    assert list(generated.outdated()) == []
    file = tmp_path / "components/kafka-strimzi/topics.yaml"
    file.write_text(file.read_text().replace("partitions: 6", "partitions: 12"))
    [fault] = generated.outdated()
    assert (
        fault
        == "deploy/kubernetes/components/kafka-strimzi/topics.yaml is not what its sources say: run `make kubernetes`"
    )


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A directory whose rendered files belong to its sources."""
    for name in ("base/a.yaml", "components/b.yaml", "overlays/local/c.yaml", "rendered/local.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"file: {name}\n")
    for overlay in OVERLAYS:
        body = "kind: Namespace\n"
        text = rendering.header(overlay, rendering.sources(tmp_path), body) + body
        (tmp_path / "rendered" / f"{overlay}.yaml").write_text(text)
    assert list(rendering.outdated(tmp_path)) == []
    return tmp_path


@pytest.mark.parametrize(
    "change",
    [{"base/a.yaml": "file: other\n"}, {"components/more.yaml": ""}, {"overlays/local/c.yaml": None}],
    ids=["changed", "added", "removed"],
)
def test_rendered_files_of_other_sources_are_found(sources: Path, change: Mapping[str, str | None]) -> None:
    for name, text in change.items():
        (sources / name).unlink() if text is None else (sources / name).write_text(text)
    words = [fault.partition(" was ")[2] for fault in rendering.outdated(sources)]
    assert words == ["rendered from other sources than those in deploy/kubernetes: run `make kubernetes`"] * 2


def test_a_rendered_file_that_was_edited_or_removed_is_found(sources: Path) -> None:
    file = sources / "rendered" / "local.yaml"
    file.write_text(file.read_text() + "replicas: 0\n")
    (sources / "rendered" / "production.yaml").unlink()
    edited, removed = rendering.outdated(sources)
    assert "local.yaml was changed by hand" in edited
    assert "production.yaml was rendered from other sources" in removed


def test_rendering_says_what_it_needs(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUSTOMIZE", "no-such-kustomize")
    with pytest.raises(rendering.NotRendered, match=r"no-such-kustomize was not found.*go install"):
        rendering.render(sources)
    monkeypatch.setenv("KUSTOMIZE", "false")
    with pytest.raises(rendering.NotRendered, match="go install"):
        rendering.render(sources)


def test_the_check_fails_with_the_reason(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def stale() -> list[str]:
        return ["local.yaml is stale"]

    assert check.manifests_are_sound()
    monkeypatch.setattr(rendering, "outdated", stale)
    assert not check.manifests_are_sound()
    assert capsys.readouterr().err == "local.yaml is stale\n"


def test_kustomizations_name_every_file_beside_them() -> None:
    """A manifest that no kustomization names would be there in vain."""
    for kustomization in DIRECTORY.rglob("kustomization.yaml"):
        content: dict[str, Any] = yaml.safe_load(kustomization.read_text())
        generators = [each for generator in content.get("configMapGenerator", []) for each in generator.get("envs", [])]
        named = {*content.get("resources", []), *content.get("transformers", []), *generators}
        beside = {file.name for file in kustomization.parent.iterdir() if file.is_file()} - {"kustomization.yaml"}
        assert beside <= named, kustomization
