"""The outbox has no room left: the service says so, loses nothing, and goes on when there is room."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from local_stack.postgres import account
from order_service.tests.conftest import Shop
from service_kit.database.administration import administration
from tests.harness.servers import POSTGRES

TABLESPACE = "tiny"
PLENTY = 2_000
ROOM = "1m"
MORE_ROOM = "64m"


class Disk:
    """A file system of our own, on which one table lies."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def mount(self) -> None:
        """Skips where that is not ours to do."""
        if os.geteuid() != 0:
            pytest.skip("only root can mount a file system of its own")
        self._directory.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(self._directory)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"no file system of its own: {done.stderr.strip()}")
        if user := account():
            os.chown(self._directory, user.pw_uid, user.pw_gid)

    def grow(self) -> None:
        subprocess.run(["mount", "-o", f"remount,size={MORE_ROOM}", str(self._directory)], check=True)

    def unmount(self) -> None:
        subprocess.run(["umount", "--lazy", str(self._directory)], check=True)


@pytest.fixture
def disk(server_directory: Path) -> Iterator[Disk]:
    made = Disk(server_directory / TABLESPACE)
    made.mount()
    try:
        with administration(os.environ[POSTGRES]) as cursor:
            cursor.execute(f"CREATE TABLESPACE {TABLESPACE} LOCATION '{server_directory / TABLESPACE}'")
        yield made
        with administration(os.environ[POSTGRES]) as cursor:
            cursor.execute(f"DROP TABLESPACE {TABLESPACE}")
    finally:
        made.unmount()


async def test_a_full_disk_is_reported_and_loses_nothing(disk: Disk, shop: Shop) -> None:
    product = await shop.product()
    await shop.execute("TRUNCATE outbox")  # the pages of an earlier test's rows would not fit
    await shop.execute(f"ALTER TABLE outbox SET TABLESPACE {TABLESPACE}")
    try:
        accepted = await _order_until_it_is_full(shop, product)
        rejected = await shop.place(product, key="refused")
        assert rejected.status_code == 503
        assert (rejected.json()["type"], rejected.headers["Retry-After"]) == ("/problems/unavailable", "1")
        assert (await shop.customer.get(f"/orders/{accepted[0]}")).status_code == 200, "what is there can be read"

        disk.grow()
        again = await shop.place(product, key="refused")
        assert again.status_code == 201, again.text
        accepted.append(UUID(again.json()["id"]))
        assert await shop.execute("SELECT array_agg(id ORDER BY id) FROM orders") == sorted(accepted)
        placed = (
            "SELECT array_agg(subject::uuid ORDER BY subject::uuid) FROM outbox WHERE type = 'mart.order.placed.v1'"
        )
        assert await shop.execute(placed) == sorted(accepted)
    finally:
        await shop.execute("ALTER TABLE outbox SET TABLESPACE pg_default")


async def _order_until_it_is_full(shop: Shop, product: UUID) -> list[UUID]:
    accepted: list[UUID] = []
    for _ in range(PLENTY):
        answer = await shop.place(product)
        if answer.status_code == 503:
            return accepted
        assert answer.status_code == 201, answer.text
        accepted.append(UUID(answer.json()["id"]))
    raise AssertionError("it was to be full")
