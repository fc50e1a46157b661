"""`python -m local_stack.launch <directory> <part>`: replaces its process by that part, with the current settings.

The supervisor starts every process through this, so that a restart reads `.env` again, and the supervisor's own files
have no secrets."""

import os
import sys
from pathlib import Path

from local_stack.environment import ROOT
from local_stack.layout import Layout
from local_stack.parts import POSTGRES, part


def main() -> None:
    layout = Layout(Path(sys.argv[1]))
    chosen = part(sys.argv[2])
    command = layout.server(chosen).command() if chosen.kind == "server" else [sys.executable, "-m", *chosen.module]
    environment = layout.process_environment(chosen)
    os.chdir(ROOT)
    if chosen == POSTGRES:
        _drop_privileges()
    os.execve(command[0], command, environment)


def _drop_privileges() -> None:
    from local_stack.postgres import account

    os.chdir("/")
    if user := account():
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)


if __name__ == "__main__":
    main()
