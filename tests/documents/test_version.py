"""Every service shows the version of pyproject.toml, in its container image, too."""

import re
import tomllib

import pytest

from local_stack.environment import ROOT
from tests.security.operations import SERVICES, app

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_shows_the_version(service: str) -> None:
    assert app(service).openapi()["info"]["version"] == VERSION


def test_the_image_of_a_service_contains_the_file_with_the_version() -> None:
    stages = re.split(r"^FROM ", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    [service] = [stage for stage in stages if stage.startswith("base AS service\n")]
    assert "COPY pyproject.toml ./" in service


def test_the_changelog_begins_with_the_version() -> None:
    assert re.findall(r"^## \[(.*?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0] == VERSION
