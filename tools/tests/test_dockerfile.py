"""The Dockerfile's images, as Kubernetes and whoever looks at one needs them."""

import re

import pytest

from local_stack.environment import ROOT

STAGES = {
    stage.split("\n", 1)[0].rpartition(" AS ")[2]: stage
    for stage in re.split(r"^FROM ", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)[1:]
}
IMAGES = ("setup", "tools", "sandbox", "service")


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_runs_as_a_number_that_is_not_root(image: str) -> None:
    assert re.findall(r"^USER (.*)$", STAGES[image], re.MULTILINE) == ["10001:10001"]


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_says_which_version_and_revision_it_is(image: str) -> None:
    assert "ARG VERSION=unknown REVISION=unknown\n" in STAGES[image]
    assert 'org.opencontainers.image.version="${VERSION}"' in STAGES[image]
    assert 'org.opencontainers.image.revision="${REVISION}"' in STAGES[image]


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_lists_its_packages(image: str) -> None:
    [source] = re.findall(r"^COPY --from=(\S+) /opt/venv /opt/venv$", STAGES[image], re.MULTILINE)
    assert STAGES[source].rstrip().endswith("environment /opt/venv/bin/python -o /opt/venv/sbom.cdx.json")


def test_the_group_has_the_users_number() -> None:
    assert "groupadd --system --gid 10001" in STAGES["base"]
    assert "--uid 10001 --gid 10001" in STAGES["base"]


@pytest.mark.parametrize("image", IMAGES)
def test_no_shell_starts_a_process(image: str) -> None:
    started = re.findall(r"^(?:CMD|ENTRYPOINT) (.*)$", STAGES[image], re.MULTILINE)
    assert started
    assert all(each.startswith('["python"') for each in started)


@pytest.mark.parametrize("image", [name for name in IMAGES if "COPY service_kit " in STAGES[name]])
def test_an_image_with_the_kit_has_the_file_that_its_version_is_read_from(image: str) -> None:
    assert re.search(r"^COPY .*\bpyproject\.toml\b", STAGES[image], re.MULTILINE)
