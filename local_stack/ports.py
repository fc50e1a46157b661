"""Leases of free ports, and which process uses a port."""

import contextlib
import fcntl
import os
import socket
import tempfile
from pathlib import Path
from typing import IO

import psutil

from local_stack.errors import StackError

# Below the ephemeral range, so that no outgoing connection takes a port between our check and our bind.
FIRST, LAST = 20_000, 32_000

_leases: dict[int, IO[bytes]] = {}


def lease(count: int = 1) -> list[int]:
    """`count` free ports, leased to this process until it ends or releases them.

    A locked file for each port excludes other processes that lease ports; the kernel unlocks it at process exit."""
    directory = Path(tempfile.gettempdir()) / f"online-mart-ports-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    found: list[int] = []
    span = LAST - FIRST
    start = os.getpid() * 37 % span
    for offset in range(span):
        port = FIRST + (start + offset) % span
        if port not in _leases and _take(directory, port):
            found.append(port)
            if len(found) == count:
                return found
    release(found)
    raise StackError(f"No {count} free ports between {FIRST} and {LAST}: end what holds them.")


def release(ports: list[int]) -> None:
    for port in ports:
        if held := _leases.pop(port, None):
            held.close()


def _take(directory: Path, port: int) -> bool:
    lock = (directory / str(port)).open("wb")
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if is_free(port):
            _leases[port] = lock
            return True
    lock.close()
    return False


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # The servers set this too, so that connections in TIME_WAIT from the last run don't matter.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def is_open(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something accepts connections there."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def holder(port: int) -> str:
    """A description of the process that listens on `port`, as far as this user may see it."""
    pid = _listening_pid(port)
    if pid is None:
        return "a process of another user or container (see `sudo ss -ltnp` or `docker ps`)"
    try:
        process = psutil.Process(pid)
        command = " ".join(process.cmdline()) or process.name()
    except psutil.Error:
        return f"pid {pid}"
    return f"pid {pid}: {command[:120]}"


def _listening_pid(port: int) -> int | None:
    try:
        listening = [each for each in psutil.net_connections(kind="tcp") if each.status == psutil.CONN_LISTEN]
    except psutil.AccessDenied:  # macOS shows other processes' sockets to root only
        return None
    return next((each.pid for each in listening if each.laddr[1:] == (port,) and each.pid), None)


def require_free(wanted: dict[str, int]) -> None:
    """`wanted`: name → port. Raises: StackError, which names all ports that are in use, and their processes."""
    taken = [f"Port {port} ({name}) is in use by {holder(port)}." for name, port in wanted.items() if not is_free(port)]
    if taken:
        raise StackError("\n".join([*taken, "End it, or give that part another port in .env."]))
