"""Failpoints: places where tests kill a process, to show that nothing is lost or duplicated.

The setting FAILPOINTS names a directory. A file `order.publish.after` in it kills the order service by SIGKILL at that
failpoint; the file is deleted first, so that it kills one process once. Without the setting, which production rejects,
a failpoint does nothing.
"""

import os
import signal
from pathlib import Path

POINTS = frozenset(
    f"{step}.{moment}"
    for step in ("commit", "publish", "mark", "inbox", "offsets", "gateway", "mail", "media")
    for moment in ("before", "after")
)
"""`commit`: of a transaction with events; `publish` and `mark`: of a group of the outbox; `inbox`: of a batch of
events; `offsets`: committed to the broker; `gateway`: a call that moves money; `mail`: a message sent;
`media`: an image stored."""

_armed: str | None = None


def arm(directory: Path | None, service: str) -> None:
    """Enables the failpoints of this process; None disables them."""
    global _armed  # noqa: PLW0603 (one setting for the process)
    _armed = f"{directory / service}." if directory else None


def failpoint(point: str) -> None:
    """Kills the process if the failpoint's file exists."""
    if _armed is None:
        return
    try:
        os.unlink(_armed + point)
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
