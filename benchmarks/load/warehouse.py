"""The process that plays the warehouse: it sends out every parcel as soon as it finds it, until it is ended.

`python -m benchmarks.load.warehouse <inventory's port>`, the staff's Authorization on standard input.
"""

import asyncio
import gc
import json
import sys

import uvloop

from benchmarks.load.client import request
from benchmarks.load.generator import Run
from benchmarks.load.plan import Plan

PACKERS = 8
LOOK_SECONDS = 0.1


async def empty(port: int, bearer: str) -> None:
    """Looks at the list of what waits, sends out all of it with several hands, and looks again."""
    looking = request("GET", "/shipments?status=created&limit=100", Authorization=bearer)
    while True:
        waiting = (await _answers(port, [looking], 200))[0]
        parcels = [_dispatch(parcel["id"], bearer) for parcel in json.loads(waiting)["items"]]
        if parcels:
            await _answers(port, parcels, 200)
        else:
            await asyncio.sleep(LOOK_SECONDS)


def _dispatch(parcel: str, bearer: str) -> bytes:
    body = {"carrier": "Royal Mail", "tracking_number": parcel[-12:]}
    return request("POST", f"/shipments/{parcel}/dispatch", body, Authorization=bearer)


async def _answers(port: int, requests: list[bytes], expected: int) -> list[bytes]:
    plan = Plan(port, requests, connections=min(PACKERS, len(requests)), keep_bodies=True)
    load = await Run(plan).carry_out()
    if set(load.statuses) != {expected}:
        raise RuntimeError(f"expected {expected} only, got {dict(load.statuses)}: {load.bodies[0]!r}")
    return load.bodies


if __name__ == "__main__":
    gc.disable()
    uvloop.run(empty(int(sys.argv[1]), sys.stdin.read().strip()))
