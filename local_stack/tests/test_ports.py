import os
import socket
import subprocess
import sys

import pytest

from local_stack import ports
from local_stack.errors import StackError


def test_a_port_in_use_is_reported_with_the_process_that_uses_it(free_port: int) -> None:
    with socket.create_server(("127.0.0.1", free_port)), pytest.raises(StackError) as caught:
        ports.require_free({"Order service": free_port})
    assert f"Port {free_port} (Order service) is in use by pid {os.getpid()}: " in str(caught.value)
    assert "pytest" in str(caught.value) or "python" in str(caught.value)


def test_a_free_port_is_no_error(free_port: int) -> None:
    ports.require_free({"Order service": free_port})


def test_two_processes_never_get_the_same_port() -> None:
    ours = ports.lease(5)
    program = f"import os; os.getpid = lambda: {os.getpid()}\nfrom local_stack import ports\nprint(*ports.lease(5))"
    try:
        # With our pid, the other process begins its search at the same port.
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    finally:
        ports.release(ours)
    theirs = [int(port) for port in done.stdout.split()]
    assert len(theirs) == 5
    assert not set(ours) & set(theirs)
