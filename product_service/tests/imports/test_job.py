"""The job that works through imports: killed, cancelled, by several workers, and with large files."""

import asyncio
import signal
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from contracts.events.products import ProductChanged
from product_service.imports import jobs, use_cases
from product_service.settings import Settings
from product_service.tests.imports import crashing
from product_service.tests.imports.conftest import (
    TYPES,
    Json,
    counts,
    failed,
    lines,
    progress,
    send,
    started,
    work,
)
from tests.harness.service import Caller, Served, serve

ROWS, BAD = 10_000, 37
HEADER = "sku,name,price_amount,price_currency,status"


def file_with_bad_rows() -> tuple[str, set[str]]:
    """10,000 rows, of which 37 are bad, and the numbers of these."""
    bad = {number * (ROWS // BAD) + 1 for number in range(BAD)}
    rows = [
        f"SKU-{number},Product {number},{'1.5' if number in bad else 100 + number},GBP,active"
        for number in range(1, ROWS + 1)
    ]
    return lines(*rows, header=HEADER), set(map(str, bad))


async def assert_each_row_once(service: Served, staff: Caller, wanted: Json, bad: set[str]) -> None:
    done = await progress(staff, wanted)
    assert counts(done) == {
        "state": "done", "rows": ROWS, "created": ROWS - BAD, "changed": 0, "unchanged": 0, "failed": BAD,
    }  # fmt: skip
    assert {number for number, *_ in await failed(staff, wanted)} == bad
    events = await service.events(ProductChanged)
    assert Counter(event.sku for event in events) == Counter(
        f"SKU-{number}" for number in range(1, ROWS + 1) if str(number) not in bad
    )
    async with service.runtime.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM products") == ROWS - BAD
        assert await connection.fetchval("SELECT count(*) FROM import_chunks") == 0


@pytest.mark.timeout(300)
async def test_a_job_that_is_killed_again_and_again_stores_each_row_once(
    service: Served, staff: Caller, tmp_path: Path
) -> None:
    content, bad = file_with_bad_rows()
    wanted = await started(staff, content)
    settings = service.runtime.resource(Settings)
    for kill in range(12):
        (tmp_path / f"product.commit.{('before', 'after')[kill % 2]}").touch()
        process = crashing.start(settings, directory=tmp_path)
        await asyncio.to_thread(process.join, 60)
        assert process.exitcode == -signal.SIGKILL
        assert (await progress(staff, wanted))["rows"] == (kill + 1) // 2 * use_cases.BATCH
    workers = [crashing.start(settings) for _ in range(2)]
    for process in workers:
        await asyncio.to_thread(process.join, 120)
    assert [process.exitcode for process in workers] == [0, 0]
    await assert_each_row_once(service, staff, wanted, bad)


@pytest.mark.timeout(300)
async def test_a_transaction_that_fails_is_repeated_and_ends_an_import_that_never_succeeds(
    service: Served, staff: Caller
) -> None:
    wanted = await started(staff, lines(*(f"S{each},N,1,GBP,draft" for each in range(1100)), header=HEADER))
    other = await started(staff, lines("OTHER,N,1,GBP,draft", header=HEADER))
    await jobs.store(service.runtime)
    async with service.runtime.database.connection() as connection:
        await connection.execute("ALTER TABLE outbox ADD CONSTRAINT full_disk CHECK (false) NOT VALID")
        for _ in range(use_cases.MAX_ATTEMPTS - 1):
            with pytest.raises(Exception, match="full_disk"):
                await jobs.store(service.runtime)
        assert (await progress(staff, wanted))["rows"] == 500
        await connection.execute("ALTER TABLE outbox DROP CONSTRAINT full_disk")
        await jobs.store(service.runtime)
        assert (await progress(staff, wanted))["rows"] == 1000
        await connection.execute("ALTER TABLE outbox ADD CONSTRAINT full_disk CHECK (false) NOT VALID")
        for _ in range(use_cases.MAX_ATTEMPTS):
            with pytest.raises(Exception, match="full_disk"):
                await jobs.store(service.runtime)
        await connection.execute("ALTER TABLE outbox DROP CONSTRAINT full_disk")
    ended = await progress(staff, wanted)
    assert (ended["state"], ended["rows"]) == ("failed", 1000)
    await work(service)
    assert (await progress(staff, other))["state"] == "done"


async def test_a_cancelled_import_stores_no_further_row(service: Served, staff: Caller) -> None:
    wanted = await started(staff, lines(*(f"S{each},N,1,GBP,draft" for each in range(1100)), header=HEADER))
    await jobs.store(service.runtime)
    cancelled = await staff.post(f"/imports/{wanted['id']}/cancel")
    assert (cancelled.status_code, cancelled.json()["state"], cancelled.json()["rows"]) == (200, "cancelled", 500)
    await work(service)
    assert (await progress(staff, wanted))["created"] == 500
    again = await staff.post(f"/imports/{wanted['id']}/cancel")
    assert (again.status_code, again.json()["type"]) == (409, "/problems/import-ended")


async def test_workers_and_cancellations_at_once(service: Served, staff: Caller) -> None:
    wanted = await started(staff, lines(*(f"S{each},N,1,GBP,draft" for each in range(3000)), header=HEADER))
    cancel = staff.post(f"/imports/{wanted['id']}/cancel")
    await asyncio.gather(work(service), work(service), work(service), cancel)
    done = await progress(staff, wanted)
    assert done["state"] == "cancelled"
    assert len(await service.events(ProductChanged)) == done["created"] == done["rows"]


async def test_a_file_that_does_not_arrive_is_forgotten(service: Served, staff: Caller) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield HEADER.encode() + b"\r\n" + b"x" * 600_000
        raise RuntimeError("the client is gone")

    answer = await staff.post("/imports", content=broken(), headers={"Content-Type": "text/csv"})
    assert answer.status_code == 500
    async with service.runtime.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM imports") == 0
        assert await connection.fetchval("SELECT count(*) FROM import_chunks") == 0


async def test_a_file_has_a_limit_of_its_own() -> None:
    async with serve("product_service", import_max_bytes=2_000_000, max_body_bytes=1000) as served:
        staff = served.caller(role="SubAdmin")
        row = "S,N,1,GBP,draft" + " " * 985
        assert (await send(staff, lines(*[row] * 1900, header=HEADER))).status_code == 202
        answer = await send(staff, lines(*[row] * 2100, header=HEADER))
        assert (answer.status_code, answer.json()["type"]) == (413, "/problems/import-too-large")
        other = await staff.post("/imports", content=b"x", headers={"Content-Type": "application/json"})
        assert other.status_code == 415


async def test_imports_need_permissions(service: Served) -> None:
    manager = service.caller("products:manage")
    for query, permission in (({"kind": "prices"}, "prices:manage"), ({"create_categories": "1"}, "categories:manage")):
        answer = await send(manager, "sku\n", **query)
        assert (answer.status_code, answer.json()["permission"]) == (403, permission)
    assert (await send(manager, "sku\n")).status_code == 202
    for path in ("/imports", "/products/export", "/prices/export"):
        assert (await service.caller().get(path)).status_code == 403
        assert (await service.anonymous.get(path)).status_code == 401


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("rows", [20_000, pytest.param(1_000_000, marks=pytest.mark.long)])
async def test_a_large_file_is_received_and_stored_in_flat_memory(service: Served, staff: Caller, rows: int) -> None:
    async def content() -> AsyncIterator[bytes]:
        yield HEADER.encode() + b"\n"
        for first in range(0, rows, 1000):
            yield "".join(f"S{each},Name {each},100,GBP,draft\n" for each in range(first, first + 1000)).encode()

    tracemalloc.start()
    answer = await staff.post("/imports", content=content(), headers={"Content-Type": TYPES["csv"]})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (answer.status_code, peak < 8 * 1024 * 1024) == (202, True)
    process = crashing.start(service.runtime.resource(Settings))
    await asyncio.to_thread(process.join, 3000)
    assert process.exitcode == 0, "it grew" if process.exitcode == crashing.GREW else process.exitcode
    assert counts(await progress(staff, answer.json()))["created"] == rows
    connection = await asyncpg.connect(service.database_url)
    assert await connection.fetchval("SELECT count(*) FROM products") == rows
    await connection.close()
