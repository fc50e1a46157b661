"""Places where a process can be made to die, for the tests which show that nothing is lost or doubled by it.

The setting CRASH_POINTS names a directory. Who makes the file `order.publish.after` in it lets the order service die
of SIGKILL as soon as it comes by that place; the file is gone by then, so that one process dies, once. Without the
setting, as in production, which refuses it, a place is an empty call.
"""

import os
import signal
from pathlib import Path

POINTS = frozenset(
    f"{step}.{moment}"
    for step in ("commit", "publish", "mark", "inbox", "offsets", "gateway", "mail")
    for moment in ("before", "after")
)
"""`commit`: of a transaction that says something; `publish` and `mark`: of a group of the outbox; `inbox`: of a batch
of events; `offsets`: told to the broker; `gateway`: a call that moves money; `mail`: a message handed over."""

_armed: str | None = None


def arm(directory: Path | None, service: str) -> None:
    """From now on this process looks whether it is to die; with None it never does."""
    global _armed  # noqa: PLW0603 (a process dies as a whole)
    _armed = f"{directory / service}." if directory else None


def reach(point: str) -> None:
    """Dies here if somebody wants it to."""
    if _armed is None:
        return
    try:
        os.unlink(_armed + point)
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
