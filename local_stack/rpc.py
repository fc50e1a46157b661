"""XML-RPC over a Unix socket, as the supervisor speaks it."""

import contextlib
import xmlrpc.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import SupervisorTransport


@contextlib.contextmanager
def session(path: Path) -> Iterator[Any]:
    """The supervisor's methods. Raises OSError at the first call when nobody listens at `path`."""
    transport = SupervisorTransport(serverurl=f"unix://{path}")
    with xmlrpc.client.ServerProxy("http://localhost", transport=transport) as proxy:
        yield proxy.supervisor
