"""Child processes, with their output in a file."""

import atexit
import contextlib
import os
import pwd
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import psutil

from local_stack.errors import StackError


class ChildProcess:
    """A process in a session of its own, so that Ctrl-C in the terminal reaches only the parent."""

    def __init__(self, name: str, log: Path, *, stop_signal: signal.Signals = signal.SIGTERM) -> None:
        self.name = name
        self.log = log
        self._stop_signal = stop_signal
        self._process: subprocess.Popen[bytes] | None = None

    def spawn(
        self, command: list[str], *, user: pwd.struct_passwd | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        """Runs `command`, unless the process runs already."""
        if self.is_running():
            return
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **as_user(user),
                env=env,
                cwd="/",
            )
        atexit.register(self.kill)  # so that a test run that ends early leaves no servers

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self, timeout: float = 30) -> None:
        """Sends the stop signal, and kills the process if it has not ended after `timeout` seconds."""
        if self._process is None:
            return
        if self.is_running():
            self._process.send_signal(self._stop_signal)
            try:
                self._process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
        self._forget()

    def kill(self) -> None:
        """SIGKILL to the process and its descendants, as when the machine runs out of memory."""
        if self._process is None:
            return
        if self.is_running():
            kill_tree(self._process.pid)
        self._process.wait()
        self._forget()

    def _forget(self) -> None:
        self._process = None
        atexit.unregister(self.kill)

    def wait_ready(self, is_ready: Callable[[], bool], timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not is_ready():
            if not self.is_running():
                raise StackError(f"{self.name} ended while it started. {self.last_output()}")
            if time.monotonic() > deadline:
                raise StackError(f"{self.name} was not ready after {timeout:.0f} s. {self.last_output()}")
            time.sleep(0.05)

    def last_output(self) -> str:
        return f"The end of {self.log}:\n{tail(self.log)}"


class EmbeddedServer(ChildProcess, ABC):
    """A server on 127.0.0.1:`port` that runs as a child process, and has its data in `data_dir`."""

    start_seconds: ClassVar[float]

    def __init__(
        self, name: str, data_dir: Path, port: int, log: Path | None, stop_signal: signal.Signals = signal.SIGTERM
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.port = port
        log = log or self.data_dir.parent / f"{self.data_dir.name}.log"
        super().__init__(name, log, stop_signal=stop_signal)

    @abstractmethod
    def prepare(self) -> None:
        """Creates everything that the command needs, unless it exists."""

    @abstractmethod
    def command(self) -> list[str]:
        """The command that runs the server in the foreground, after `prepare`."""

    @abstractmethod
    def is_ready(self) -> bool: ...

    def start(self) -> None:
        """Returns when the server is ready; does nothing if it runs. Committed data survives a `kill`."""
        if self.is_running():
            return
        self.prepare()
        self.spawn(self.command(), user=self.account())
        try:
            self.wait_ready(self.is_ready, self.start_seconds)
        except StackError:
            self.kill()
            raise

    def account(self) -> pwd.struct_passwd | None:
        """The account that the server runs as; None: that of this process."""
        return None


def as_user(user: pwd.struct_passwd | None) -> dict[str, Any]:
    """The arguments with which `subprocess` runs a command as that user and with no other groups."""
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}


def kill_tree(pid: int) -> None:
    """SIGKILL to a process and its descendants: PostgreSQL's backends are not in its process group."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        psutil.wait_procs(family[1:], timeout=10)


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, without reading all of it."""
    if not log.exists():
        return "(nothing was logged)"
    with log.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - 16_384))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
