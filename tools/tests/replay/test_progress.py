"""The progress of a replay that has no terminal."""

import io

from rich.console import Console

from tools.replay.run import ProgressDisplay


def test_without_a_terminal_each_tenth_is_logged() -> None:
    log = io.StringIO()
    show = ProgressDisplay(Console(file=log))
    with show.progress, show.phase("Orders"):
        advance = show.bar("Orders", 1550)
        for _ in range(1550):
            advance(1)
    lines = [line.partition(" s  ")[2] for line in log.getvalue().splitlines() if line.strip()]
    assert lines == ["Orders ...", *(f"Orders: {tenth * 155} of 1550" for tenth in range(1, 11))]


def test_a_jump_over_several_tenths_is_logged_once() -> None:
    log = io.StringIO()
    show = ProgressDisplay(Console(file=log))
    with show.progress:
        show.bar("Products", 4)(3)
        show.bar("Nothing", 0)
    assert [line.partition(" s  ")[2] for line in log.getvalue().splitlines() if line.strip()] == ["Products: 3 of 4"]
