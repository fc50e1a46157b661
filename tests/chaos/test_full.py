"""The results that `make chaos-full` stores, and their table in docs/reliability.md."""

import asyncio
import json
from pathlib import Path

import pytest

from local_stack.environment import ROOT
from tests.chaos import full
from tests.chaos.faults import FAULTS
from tests.chaos.full import BEGIN, END, GROUPS, NAMES, PAGE, SEEN, between, row_of_scenario, row_of_tests, table
from tests.chaos.injector import InjectedFault
from tests.chaos.report import Outcome
from tests.chaos.run_scenario import figures
from tests.chaos.scenarios import ALL, BY_NAME
from tests.chaos.schedule import PlannedFault


def test_every_fault_is_in_a_scenario_and_each_has_its_name() -> None:
    assert {planned.kind for scenario in ALL for planned in scenario.plan()} == set(FAULTS)
    assert len(BY_NAME) == len(ALL)


@pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: scenario.name)
def test_a_scenario_has_the_declared_number_of_faults(scenario: object) -> None:
    chosen = BY_NAME[getattr(scenario, "name")]  # noqa: B009
    plan = chosen.plan()
    assert len(plan) == chosen.times
    assert chosen.lasting is None or {planned.seconds for planned in plan} == {chosen.lasting}


def test_a_row_reports_what_was_observed() -> None:
    injected = tuple(
        InjectedFault(PlannedFault("kill-service", n, ("order",), 0), n, recovery=n / 10) for n in range(1, 101)
    )
    outcome = Outcome(1, 10, 20.4, "done", 5_000, injected, (), {})
    found = figures(outcome)
    assert found == {
        "faults": 100,
        "orders": 5_000,
        "violations": 0,
        "recovery_p50_s": 5.0,
        "recovery_p99_s": 9.9,
    }
    tests = {"at": "2026-11-22", "tests": 7, "violations": 1, "seconds": 3}
    text = table({"kill-any": {"at": "2026-11-22T00:00:00+00:00", **found}, "long-races": tests})
    assert "| 100 | 5,000 | 0 | 5.0 s | 9.9 s | 2026-11-22 |" in text
    assert "| 7 tests | | 1 | | | 2026-11-22 |" in text
    assert text.count("not yet") == len(ALL) + len(GROUPS) - 2
    assert {line.count("|") for line in text.splitlines()} == {9}
    assert "| 7 tests, 2 skipped | | 1 | | | 2026-11-22 |" in table({"long-races": {**tests, "skipped": 2}})


def test_every_long_test_is_in_one_of_the_groups() -> None:
    """Except crashes at failpoints, which are scenarios."""
    paths = {ROOT / place for group in GROUPS.values() for place in group.paths.split()}
    assert all(place.exists() for place in paths)
    mark = "@pytest.mark." + "long", "marks=pytest.mark." + "long", "[pytest.mark." + "long"
    tests = [path for path in ROOT.glob("[a-z]*/**/test_*.py") if any(each in path.read_text() for each in mark)]
    assert tests
    left_out = {path for path in tests if not paths & {path, *path.parents}}
    assert {path.relative_to(ROOT).as_posix() for path in left_out} == {"tests/chaos/test_crashes.py"}


def test_the_page_has_the_table_of_results() -> None:
    assert PAGE.read_text() == between(PAGE.read_text(), table(json.loads(SEEN.read_text())))


def test_the_table_is_replaced_between_its_marks() -> None:
    page = f"Before.\n\n{BEGIN}\nold\n{END}\n\nAfter.\n"
    once = between(page, "new")
    assert once == f"Before.\n\n{BEGIN}\n\nnew\n\n{END}\n\nAfter.\n"
    assert between(once, "new") == once
    assert BEGIN in PAGE.read_text()
    with pytest.raises(ValueError, match=r"reliability\.md"):
        between("nothing", "new")


def test_an_aborted_run_is_a_violation(tmp_path: Path) -> None:
    assert row_of_tests(tmp_path / "none.xml") == {"tests": 0, "violations": 1}
    assert row_of_scenario(tmp_path / "none.json")["violations"] == 1


@pytest.mark.parametrize(
    ("counts", "seen"),
    [
        ('tests="9" failures="1" errors="1" skipped="2"', {"tests": 7, "skipped": 2, "violations": 2}),
        ('tests="9" failures="0" errors="0" skipped="2"', {"tests": 7, "skipped": 2, "violations": 0}),
        ('tests="0" failures="0" errors="0" skipped="0"', {"tests": 0, "skipped": 0, "violations": 1}),
    ],
)
def test_a_failed_test_or_a_run_without_tests_is_a_violation(tmp_path: Path, counts: str, seen: dict[str, int]) -> None:
    (tmp_path / "some.xml").write_text(f"<testsuites><testsuite {counts}/></testsuites>")
    assert row_of_tests(tmp_path / "some.xml") == seen


async def test_scenarios_that_measure_time_run_alone_and_others_in_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    running: set[str] = set()
    beside: dict[str, set[str]] = {}

    async def one(name: str) -> int:
        running.add(name)
        for each in running:
            beside.setdefault(each, set()).update(running)
        await asyncio.sleep(0)
        running.discard(name)
        return 1

    monkeypatch.setattr(full, "_one", one)
    assert await full._run(NAMES, lanes=3) == len(NAMES) == len(beside)
    assert max(map(len, beside.values())) > 2
    assert all(beside[name] == {name} for name, group in GROUPS.items() if group.alone)
