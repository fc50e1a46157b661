"""`python -m tools.console`: the server that `make up` starts. The environment names the shop's directory."""

import os
import sys
from pathlib import Path

import uvicorn

from local_stack.layout import SHOP, Layout
from local_stack.parts import CONSOLE
from tools.console.app import create
from tools.console.worker import Worker


def main() -> None:
    """Listens on 127.0.0.1 only, whatever LISTEN_HOST is: the page has no sign-in."""
    directory = Path(os.environ[SHOP])
    layout = Layout(directory)
    worker = Worker([sys.executable, "-m", "tools.console.work", str(directory)])
    uvicorn.run(
        create(worker), host="127.0.0.1", port=layout.port(CONSOLE), loop="asyncio", access_log=False,
        log_level="warning", timeout_graceful_shutdown=2,
    )  # fmt: skip


if __name__ == "__main__":
    main()
