"""Lines of progress, each with the seconds since the check began."""

import time

from local_stack.cli import progress

_BEGAN = time.monotonic()


def seconds() -> float:
    return time.monotonic() - _BEGAN


def note(text: str) -> None:
    progress(f"{seconds():7.1f} s  {text}")
