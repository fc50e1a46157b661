"""Signals to the same process, sent when a transaction has committed, so that waiting code need not poll.

A signal is only a hint: other processes do not receive it, and a crash after the commit loses it. So code that must not
miss anything also looks at intervals.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

log = structlog.get_logger(__name__)
Listener = Callable[[Sequence[Any]], None]
Pending = dict[str, list[Any]]
"""Items by the signal's name, in the order in which they were added."""


class HasSignals(Protocol):
    """A connection or transaction of `sessions`."""

    signals: Pending | None


class Signals:
    """The listeners of one process."""

    def __init__(self) -> None:
        self._listeners: dict[str, list[Listener]] = defaultdict(list)

    def listen(self, name: str, listener: Listener) -> None:
        """`listener` is called after each commit that sends `name`, in the event loop: it must return at once."""
        self._listeners[name].append(listener)

    def forget(self, name: str, listener: Listener) -> None:
        self._listeners[name].remove(listener)

    def send(self, pending: Mapping[str, Sequence[Any]]) -> None:
        """Errors of listeners are only logged: the transaction has committed, and its caller must not see a failure."""
        for name, items in pending.items():
            for listener in self._listeners.get(name, ()):
                try:
                    listener(items)
                except Exception:
                    log.exception("signal_listener_failed", signal=name)


def signal(session: AsyncSession | HasSignals, name: str, *items: Any) -> None:
    """Sends `name` with `items` to the listeners of this process, if and when `session` commits."""
    if isinstance(session, AsyncSession):
        pending: Pending = session.info.setdefault("signals", {})
    else:
        if session.signals is None:
            session.signals = {}
        pending = session.signals
    pending.setdefault(name, []).extend(items)
