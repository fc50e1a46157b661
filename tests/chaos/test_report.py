"""Reports show what was found: the figures, the status line and the page."""

import json

import pytest

from tests.chaos.injector import InjectedFault
from tests.chaos.report import SHOWN, Outcome, figures, line, page, percentile
from tests.chaos.schedule import PlannedFault
from tests.system.verdict import Kind, Violation

INJECTED = (
    InjectedFault(PlannedFault("kill-service", 4.0, ("order",), 0.0), 4.0, recovery=2.25),
    InjectedFault(PlannedFault("kill-service", 9.0, ("user",), 0.0), 9.1, recovery=1.5),
    InjectedFault(PlannedFault("broker-away", 15.0, ("kafka",), 12.5), 15.0, failed="kafka ready: not within 60 s"),
)
VIOLATIONS = (
    Violation(Kind.LOST, "order 1: accepted and lost"),
    Violation(Kind.DUPLICATED, "order 2: charged twice"),
    Violation(Kind.DUPLICATED, "order 3: charged twice"),
    Violation(Kind.OVERSOLD, "stock of 4: -1"),
    Violation(Kind.STUCK, "order 5: stuck"),
    Violation(Kind.OTHER, "order 6: out of order"),
)


def _outcome(violations: tuple[Violation, ...] = (), unclear: dict[str, int] | None = None) -> Outcome:
    return Outcome(
        seed=42,
        seconds=60,
        elapsed=83.4,
        phase="done",
        orders=240,
        injected=INJECTED,
        violations=violations,
        unclear=unclear or {},
    )


def test_figures_are_integers_and_count_each_kind() -> None:
    assert json.loads(json.dumps(figures(_outcome(VIOLATIONS)))) == {
        "orders": 240,
        "faults": {"broker-away": 1, "kill-service": 2},
        "violations": 6,
        "lost": 1,
        "duplicated": 2,
        "oversold": 1,
        "stuck": 1,
        "recovery_p99_s": 3,
        "seed": 42,
    }


def test_the_line_shows_the_state() -> None:
    assert line(_outcome(VIOLATIONS)) == (
        "1:23 done | 240 orders | faults: broker-away 1, kill-service 2 | violations: 6"
    )


def test_the_page_lists_violations_by_kind_with_a_command_to_repeat_them() -> None:
    text = page(_outcome(VIOLATIONS), "make chaos SEED=42")
    assert "6 violations" in text
    assert "`make chaos SEED=42`" in text
    assert all(violation.text in text for violation in VIOLATIONS)
    assert text.count("### ") == len(Kind)
    assert "| kill-service | 2 | 1.5 s | 2.2 s | 2.2 s |" in text
    assert "| broker-away | 1 | – | – | – |" in text
    assert "| 15.0 s | broker-away | kafka | 12.5 s | not in time |" in text


def test_the_page_of_a_run_without_violations_lists_none() -> None:
    text = page(_outcome(), "make chaos")
    assert "No violation" in text
    assert "## Violations" not in text
    assert "did not say when" not in text


def test_ambiguous_responses_are_shown_and_are_no_violations() -> None:
    outcome = _outcome(unclear={"500 of order: oh": 3})
    assert "- 3 times 500 of order: oh" in page(outcome, "make chaos")
    assert figures(outcome)["violations"] == 0


def test_a_page_is_shortened_and_states_how_much_was_omitted() -> None:
    many = tuple(Violation(Kind.LOST, f"order {number}") for number in range(SHOWN + 5))
    text = page(_outcome(many), "make chaos")
    assert "… and 5 more." in text
    assert f"- order {SHOWN}\n" not in text


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([], 0.99, 0.0), ([1.0], 0.99, 1.0), ([1.0, 2.0, 3.0], 0.5, 2.0), ([float(n) for n in range(1, 101)], 0.99, 99.0)],
)
def test_percentiles_are_observed_values(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == expected
