"""Files that are sent and worked through as the worker does it."""

import csv
import io
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from product_service.imports import jobs
from tests.harness.service import Caller, Served

Json = dict[str, Any]
Import = Callable[..., Awaitable[Json]]
TYPES = {"csv": "text/csv", "jsonl": "application/jsonl"}


async def send(staff: Caller, content: str | bytes, format: str = "csv", **query: Any) -> httpx.Response:
    body = content.encode() if isinstance(content, str) else content
    return await staff.post("/imports", content=body, headers={"Content-Type": TYPES[format]}, params=query)


async def work(service: Served) -> None:
    while await jobs.store(service.runtime):
        pass


async def started(staff: Caller, content: str | bytes, format: str = "csv", **query: Any) -> Json:
    answer = await send(staff, content, format, **query)
    assert answer.status_code == 202, answer.text
    found: Json = answer.json()
    return found


async def progress(staff: Caller, wanted: Json) -> Json:
    found: Json = (await staff.get(f"/imports/{wanted['id']}")).json()
    return found


@pytest.fixture
def imported(service: Served, staff: Caller) -> Import:
    """Sends a file, and returns the import after its end."""

    async def run(content: str | bytes, format: str = "csv", **query: Any) -> Json:
        wanted = await started(staff, content, format, **query)
        await work(service)
        return await progress(staff, wanted)

    return run


def counts(found: Json) -> Json:
    return {name: found[name] for name in ("state", "rows", "created", "changed", "unchanged", "failed")}


async def failed(staff: Caller, wanted: Json) -> list[tuple[str, str, str]]:
    """Number, column and code of each row that failed."""
    text = (await staff.get(f"/imports/{wanted['id']}/failed-rows")).text
    if wanted["format"] == "jsonl":
        rows = [json.loads(line) for line in text.splitlines()]
    else:
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    return [(str(row["error_row"]), row["error_column"], row["error_code"]) for row in rows]


def lines(*rows: str, header: str = "sku,name,price_amount,price_currency,status") -> str:
    return "\r\n".join([header, *rows, ""])
