"""The process that simulates customers: each places an order with a payment token, waits until it is paid as the
documentation advises (`Prefer: wait`), and then places the next.

`python -m benchmarks.load.customers plan.pickle answer.pickle`. Of the responses, only status and ETag are parsed.
"""

import asyncio
import gc
import pickle
import re
import sys
import time
from collections import deque
from pathlib import Path

import uvloop

from benchmarks.load.client import request
from benchmarks.load.plan import Load, Plan

WAIT = "wait=20"
_STATUS = re.compile(rb'"status" ?: ?"([a-z_]+)"')
_TAG = re.compile(rb"\r\netag: ([^\r]+)", re.IGNORECASE)
_LOCATION = re.compile(rb"\r\nlocation: ([^\r]+)", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
_BEARER = re.compile(rb"\r\nAuthorization: ([^\r]+)")
UNDER_WAY = (b"pending", b"awaiting_payment")


class NotPaid(Exception):
    """An unexpected response, which makes the measurement meaningless."""


async def carry_out(plan: Plan) -> Load:
    """Places the orders of the plan. `latencies` are from an order's request to the response that shows it as paid."""
    waiting, load = deque(plan.requests), Load()
    started, load.began_at = time.perf_counter(), time.time()
    await asyncio.gather(*(_customer(plan.port, waiting, load) for _ in range(plan.connections)))
    load.seconds = time.perf_counter() - started
    return load


async def _customer(port: int, waiting: deque[bytes], load: Load) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while waiting:
        placing = waiting.popleft()
        began = time.perf_counter()
        head, body = await _ask(reader, writer, placing)
        location = _found(_LOCATION, head, body)
        bearer = _found(_BEARER, placing, b"")
        while (status := _found(_STATUS, body, head)) in UNDER_WAY:
            headers = {
                "Authorization": bearer.decode(),
                "Prefer": WAIT,
                "If-None-Match": _found(_TAG, head, body).decode(),
            }
            head, body = await _ask(reader, writer, request("GET", location.decode(), **_named(headers)))
            if head.startswith(b"HTTP/1.1 304"):
                raise NotPaid(f"{location.decode()} did not change within {WAIT}")
        if status != b"paid":
            raise NotPaid(f"{location.decode()} is {status.decode()}")
        load.latencies.append(time.perf_counter() - began)
    writer.close()


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("-", "_"): value for name, value in headers.items()}


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: bytes) -> tuple[bytes, bytes]:
    writer.write(sent)
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    return head, await reader.readexactly(int(length[1])) if length else b""


def _found(what: re.Pattern[bytes], text: bytes, rest: bytes) -> bytes:
    found = what.search(text)
    if found is None:
        raise NotPaid(f"an answer without {what.pattern!r}: {(text + rest)[:500]!r}")
    return found[1]


if __name__ == "__main__":
    gc.disable()
    given, got = map(Path, sys.argv[1:])
    got.write_bytes(pickle.dumps(uvloop.run(carry_out(pickle.loads(given.read_bytes())))))
