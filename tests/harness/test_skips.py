import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest

def test_passes(): pass
@pytest.mark.xfail
def test_fails_as_expected(): raise AssertionError
@pytest.mark.skipif(True, reason="there is no anvil")
def test_needs_an_anvil(): pass
def test_needs_a_hammer(): pytest.skip("there is no hammer")
"""


@pytest.mark.parametrize(
    ("ci", "outcome"), [("true", "1 failed, 1 passed, 1 xfailed, 1 error"), ("", "1 passed, 2 skipped, 1 xfailed")]
)
def test_nothing_is_skipped_under_ci(tmp_path: Path, ci: str, outcome: str) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]")
    (tmp_path / "test_tools.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-p", "tests.harness.skips", "-p", "no:cacheprovider", "--rootdir=."]
    found = subprocess.run(
        [*command, "test_tools.py"],
        cwd=tmp_path,
        env={**os.environ, "CI": ci, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome in found.stdout, found.stdout + found.stderr
    for reason in ("there is no anvil", "there is no hammer"):
        assert (f"nothing is skipped under CI. Skipped: {reason}" in found.stdout) == bool(ci)
