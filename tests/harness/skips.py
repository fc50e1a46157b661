"""Under CI nothing is skipped: a test whose tool is missing there fails, and says what to install."""

import os
from collections.abc import Generator
from typing import Any

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI"):
        _, _, reason = _place(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: nothing is skipped under CI. {reason}"
    return report


def _place(longrepr: Any) -> tuple[str, int, str]:
    """Where a test was skipped, and why."""
    return longrepr if isinstance(longrepr, tuple) else ("", 0, str(longrepr))
