"""XML-RPC over a Unix socket, as the supervisor speaks it."""

import contextlib
import http.client
import socket
import xmlrpc.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.connect(str(self._path))
        except OSError:
            self.close()
            raise


class _Transport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        _, connection = self._connection or (host, None)
        connection = connection or _Connection(self._path)
        self._connection = host, connection  # where `close` looks for it
        return connection


@contextlib.contextmanager
def session(path: Path) -> Iterator[Any]:
    """What has the supervisor's methods. Raises OSError at the first call when nobody listens at `path`."""
    with xmlrpc.client.ServerProxy("http://localhost", transport=_Transport(path)) as proxy:
        yield proxy.supervisor
