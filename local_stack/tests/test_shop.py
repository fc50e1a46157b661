import os
import signal
import socket
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from local_stack.errors import StackError
from local_stack.shop import Shop
from local_stack.tests.conditions import wait_until

pytestmark = pytest.mark.system


@pytest.fixture
def shop(server_directory: Path) -> Iterator[Shop]:
    """Supervised, with no part started."""
    shop = Shop(server_directory, free_ports=True, settings={"LOG_FORMAT": "json"})
    shop.prepare()
    yield shop
    shop.down()


def test_a_killed_process_is_restarted(shop: Shop) -> None:
    shop.start("mailbox")
    shop.wait_ready("mailbox")
    before = shop.pid("mailbox")
    shop.kill("mailbox")
    wait_until(lambda: shop.states()["mailbox"].pid not in (0, before))
    shop.wait_ready("mailbox")


def test_a_process_that_ran_for_a_while_is_always_restarted_at_once(shop: Shop) -> None:
    """Only a process that ends at its start is restarted after a pause."""
    shop.start("mailbox")
    for _ in range(3):
        shop.wait_ready("mailbox")
        before = psutil.Process(shop.pid("mailbox"))
        wait_until(partial(_has_lived_for, before, 6))
        shop.kill("mailbox")
        killed = time.monotonic()
        wait_until(partial(_is_another, shop, before))
    assert time.monotonic() - killed < 2.5


def _has_lived_for(process: psutil.Process, seconds: float) -> bool:
    return time.time() - process.create_time() > seconds


def _is_another(shop: Shop, process: psutil.Process) -> bool:
    return shop.states()["mailbox"].pid not in (0, process.pid)


def test_a_stopped_process_stays_down_and_a_restart_touches_no_other(shop: Shop) -> None:
    shop.start("mailbox")
    shop.start("gateway")
    shop.wait_ready("mailbox", "gateway")
    gateway, mailbox = shop.pid("gateway"), shop.pid("mailbox")
    shop.restart("mailbox")
    assert shop.pid("mailbox") != mailbox
    assert shop.pid("gateway") == gateway
    shop.stop("mailbox")
    assert shop.states()["mailbox"].name == "STOPPED"
    assert not shop.is_ready("mailbox")


def test_preparing_again_leaves_running_parts_alone(shop: Shop) -> None:
    shop.start("mailbox")
    shop.wait_ready("mailbox")
    before = shop.pid("mailbox")
    shop.prepare()
    assert shop.pid("mailbox") == before


def test_a_restart_reads_the_current_settings(shop: Shop, free_port: int) -> None:
    shop.start("mailbox")
    shop.wait_ready("mailbox")
    text = shop.layout.env_file.read_text()
    old = f"SANDBOX_SMTP_PORT={shop.settings['SANDBOX_SMTP_PORT']}"
    shop.layout.env_file.write_text(text.replace(old, f"SANDBOX_SMTP_PORT={free_port}"))
    shop.restart("mailbox")
    socket.create_connection(("127.0.0.1", free_port), timeout=5).close()


def test_the_shop_starts_again_after_its_supervisor_was_killed(shop: Shop) -> None:
    shop.start("mailbox")
    shop.wait_ready("mailbox")
    before = shop.pid("mailbox")
    daemon = psutil.Process(before).ppid()
    os.kill(daemon, signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(daemon) and psutil.pid_exists(before))
    shop.prepare()
    assert not psutil.pid_exists(before)
    shop.start("mailbox")
    shop.wait_ready("mailbox")


def test_a_process_that_can_not_start_is_shown_with_its_log(shop: Shop) -> None:
    shop.layout.env_file.write_text(
        "\n".join(line for line in shop.layout.env_file.read_text().splitlines() if "GATEWAY_API_KEY" not in line)
    )
    shop.start("gateway")
    with pytest.raises(StackError, match=r"(?s)Payment gateway is not ready.*GATEWAY_API_KEY"):
        shop.wait_ready("gateway")


def test_servers_that_run_elsewhere_are_not_started_here(server_directory: Path) -> None:
    shop = Shop(server_directory, free_ports=True, settings={"KAFKA_BOOTSTRAP_SERVERS": "kafka.example.com:9092"})
    shop.prepare()
    try:
        assert "kafka" not in shop.states()
        assert shop.bootstrap_servers == "kafka.example.com:9092"
    finally:
        shop.down()


def test_down_leaves_no_processes_and_no_sockets(shop: Shop) -> None:
    shop.start("mailbox")
    shop.wait_ready("mailbox")
    shop.down()
    assert shop.states() == {}
    assert not shop.is_ready("mailbox")
    assert not shop.layout.sockets.exists()
