"""The supervisor: a daemon that restarts a shop's processes when they end."""

import contextlib
import http.client
import os
import shutil
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import psutil
from supervisor.xmlrpc import SupervisorTransport

from local_stack.directories import make_private
from local_stack.environment import ROOT
from local_stack.errors import StackError
from local_stack.layout import SHOP, Layout
from local_stack.parts import POSTGRES, Part
from local_stack.process import kill_tree, tail

# A process that ends within this time is restarted after 1, 2, 3, … seconds; one that ends later, at once.
START_SECONDS = 5
RETRIES = 1000
# The services take up to 20 s to finish their requests.
STOP_SECONDS = 30
STOPPABLE = ("RUNNING", "STARTING", "BACKOFF")


@dataclass(frozen=True)
class State:
    """The supervisor's state of a process: RUNNING, STARTING, BACKOFF, STOPPED, EXITED or FATAL."""

    name: str
    pid: int
    words: str

    @property
    def is_up(self) -> bool:
        return self.name == "RUNNING" or (self.name == "STARTING" and self.pid > 0)


class Supervisor:
    def __init__(self, layout: Layout, *, autorestart: bool = True) -> None:
        self._layout = layout
        self.autorestart = autorestart
        self._directory = layout.local / "supervisor"
        self._socket = layout.sockets / "supervisor.sock"

    @contextlib.contextmanager
    def _rpc(self) -> Iterator[Any]:
        """The supervisor's XML-RPC methods, over its Unix socket. They raise OSError if it doesn't run."""
        transport = SupervisorTransport(serverurl=f"unix://{self._socket}")
        with xmlrpc.client.ServerProxy("http://localhost", transport=transport) as proxy:
            yield proxy.supervisor

    def is_running(self) -> bool:
        try:
            with self._rpc() as supervisor:
                return bool(supervisor.getState()["statename"] == "RUNNING")
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            return False

    def start(self) -> None:
        """Starts the daemon, or makes a running one read the current settings. Starts no process."""
        make_private(self._layout.sockets)
        self._directory.mkdir(parents=True, exist_ok=True)
        self._layout.logs.mkdir(parents=True, exist_ok=True)
        configuration = self._directory / "supervisord.conf"
        configuration.write_text(self._configuration())
        if self.is_running():
            self._reload()
            return
        self._socket.unlink(missing_ok=True)
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        deadline = time.monotonic() + 15
        while done.returncode == 0 and not self.is_running() and time.monotonic() < deadline:
            time.sleep(0.05)
        if not self.is_running():
            log = self._layout.logs / "supervisor.log"
            raise StackError(f"The supervisor did not start.\n{done.stdout}{done.stderr}{tail(log)}")

    def _reload(self) -> None:
        with self._rpc() as supervisor:
            added, changed, removed = supervisor.reloadConfig()[0]
            for name in changed + removed:
                supervisor.stopProcessGroup(name)
                supervisor.removeProcessGroup(name)
            for name in added + changed:
                supervisor.addProcessGroup(name)

    def states(self) -> dict[str, State]:
        """The states by part; empty if the supervisor is down."""
        if not self.is_running():
            return {}
        with self._rpc() as supervisor:
            found = supervisor.getAllProcessInfo()
        return {
            info["name"]: State(info["statename"], info["pid"], info["spawnerr"] or info["description"])
            for info in found
        }

    def start_part(self, part: Part) -> None:
        """Starts a part, unless it runs; does not wait until it is ready."""
        states = self.states()
        if part.name not in states:
            raise StackError("The shop is down: `make up` starts it.")
        if states[part.name].is_up:
            return
        with self._rpc() as supervisor:
            if states[part.name].name == "BACKOFF":
                supervisor.stopProcess(part.name)
            supervisor.startProcess(part.name, False)

    def stop_parts(self, parts: Iterable[Part]) -> None:
        """Stops parts in parallel; returns when all are down."""
        states = self.states()
        stopping = [part.name for part in parts if part.name in states and states[part.name].name in STOPPABLE]
        with self._rpc() as supervisor:
            for name in stopping:
                supervisor.stopProcess(name, False)
        while any(states[name].name in (*STOPPABLE, "STOPPING") for name in stopping):
            time.sleep(0.05)
            states = self.states()

    def shutdown(self) -> None:
        """Ends the daemon and all its processes; returns when it has ended."""
        with self._rpc() as supervisor:
            daemon = psutil.Process(supervisor.getPID())
            supervisor.shutdown()
        try:
            daemon.wait(timeout=3 * STOP_SECONDS)
        except psutil.TimeoutExpired:
            raise StackError(f"The supervisor (pid {daemon.pid}) does not end: `kill -9 {daemon.pid}`.") from None
        shutil.rmtree(self._layout.sockets, ignore_errors=True)

    def end_orphans(self) -> None:
        """Ends the processes that a killed supervisor has left running."""
        orphans = [process for process in psutil.process_iter() if self._is_ours(process)]
        for process in orphans:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
        for process in psutil.wait_procs(orphans, timeout=STOP_SECONDS)[1]:
            kill_tree(process.pid)

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            # Our own children, such as migrations, are no orphans.
            return process.environ().get(SHOP) == str(self._layout.directory) and process.ppid() != os.getpid()
        except psutil.Error:
            return False

    def _configuration(self) -> str:
        head = f"""\
[supervisord]
logfile={self._layout.logs}/supervisor.log
logfile_maxbytes=5MB
logfile_backups=1
pidfile={self._directory}/supervisord.pid
childlogdir={self._layout.logs}
directory={ROOT}
identifier=online-mart
minfds=256
minprocs=32
umask=022
{"user=root" if os.geteuid() == 0 else ""}

[unix_http_server]
file={self._socket}
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
        return head.replace("%", "%%") + "".join(self._program(part) for part in self._layout.parts)

    def _program(self, part: Part) -> str:
        command = [sys.executable, "-m", "local_stack.launch", str(self._layout.directory), part.name]
        quoted = " ".join(f'"{word}"' for word in command)
        text = f"""
[program:{part.name}]
command={quoted}
autostart=false
autorestart={"true" if self.autorestart else "false"}
startsecs={START_SECONDS}
startretries={RETRIES if self.autorestart else 0}
stopsignal={"INT" if part == POSTGRES else "TERM"}
stopwaitsecs={STOP_SECONDS}
redirect_stderr=true
stdout_logfile={self._layout.log(part)}
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=2
"""
        return text.replace("%", "%%")
