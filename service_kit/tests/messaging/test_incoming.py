"""Events are grouped for batch handlers without a change of order within a key."""

from hypothesis import given
from hypothesis import strategies as st

from service_kit.messaging.incoming import groups

ITEMS = st.lists(st.tuples(st.integers(0, 4), st.sampled_from("abc")), max_size=60)


@given(ITEMS)
def test_each_key_keeps_its_order_and_no_event_is_lost(items: list[tuple[int, str]]) -> None:
    runs = groups([(key, kind, (key, n)) for n, (key, kind) in enumerate(items)])
    flat = [item for _, run in runs for item in run]
    assert sorted(n for _, n in flat) == list(range(len(items)))
    for wanted in {key for key, _ in items}:
        order = [n for key, n in flat if key == wanted]
        assert order == sorted(order)


@given(ITEMS)
def test_a_run_has_one_kind_and_there_are_no_more_runs_than_changes_of_kind(items: list[tuple[int, str]]) -> None:
    runs = groups([(key, kind, kind) for key, kind in items])
    assert all(set(run) == {kind} for kind, run in runs)
    changes = sum(1 for n in range(len(items)) if n == 0 or items[n][1] != items[n - 1][1])
    assert len(runs) <= changes


def test_events_of_different_keys_share_runs() -> None:
    items = [(key, kind, (key, kind)) for key in range(100) for kind in "ab"]
    assert [kind for kind, _ in groups(items)] == ["a", "b"]
