"""The patch that makes release N+1 applies to the present tree, and its migrations follow the newest ones."""

import shutil
import subprocess
from pathlib import Path

import pytest

from local_stack.environment import ROOT
from tools.kubernetes.live.releases import COMMIT, TABLES, make_next


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("release")
    for package in ("contracts", *(f"{service}_service" for service in TABLES)):
        shutil.copytree(ROOT / package, directory / package, ignore=shutil.ignore_patterns("tests", "__pycache__"))
    make_next(directory)
    return directory


@pytest.mark.parametrize("service", TABLES)
def test_each_service_has_a_migration_a_column_and_a_setting(tree: Path, service: str) -> None:
    package = tree / f"{service}_service"
    *_, before, newest = sorted((package / "migrations").glob("[0-9]*_*.py"))
    assert f'down_revision = "{before.name.partition("_")[0]}"' in newest.read_text()
    assert int(newest.name.partition("_")[0]) == int(before.name.partition("_")[0]) + 1
    assert any('release: str | None = "next"' in model.read_text() for model in package.glob("*/models.py"))
    assert 'release: str = "unset"' in (package / "settings.py").read_text()


def test_events_have_a_field_more(tree: Path) -> None:
    changed = [path.name for path in (tree / "contracts" / "events").glob("*.py") if '= "next"' in path.read_text()]
    assert sorted(changed) == [
        "inventory_deduction.py",
        "order_notification.py",
        "products.py",
        "stock_levels.py",
        "users.py",
    ]


def test_the_former_release_is_a_commit() -> None:
    named = COMMIT.read_text().strip()
    done = subprocess.run(["git", "cat-file", "-t", named], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("the history of this checkout does not go back so far")
    assert done.stdout.strip() == "commit"
