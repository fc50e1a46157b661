"""The process that simulates a warehouse: it dispatches all new parcels, up to 100 per request, until it is stopped.

`python -m benchmarks.load.warehouse <inventory's port>`, with a staff token (`Authorization`) on standard input.
"""

import asyncio
import gc
import json
import sys
from typing import Any

import uvloop

from benchmarks.load.client import request
from benchmarks.load.generator import Run
from benchmarks.load.plan import Plan

POLL_SECONDS = 0.1


async def dispatch_all(port: int, bearer: str) -> None:
    """Polls the list of new shipments, and dispatches all of them."""
    listing = request("GET", "/shipments?status=created&sort=created_at&limit=100", Authorization=bearer)
    while True:
        parcels = [_parcel(shipment["id"]) for shipment in (await _answer(port, listing))["items"]]
        if parcels:
            collection = request("POST", "/dispatches", {"parcels": parcels}, Authorization=bearer)
            if rejected := [each for each in (await _answer(port, collection))["items"] if each["problem"]]:
                raise RuntimeError(f"a parcel could not leave: {rejected[0]}")
        else:
            await asyncio.sleep(POLL_SECONDS)


def _parcel(shipment_id: str) -> dict[str, str]:
    return {"shipment_id": shipment_id, "carrier": "Royal Mail", "tracking_number": shipment_id[-12:]}


async def _answer(port: int, sent: bytes) -> Any:
    load = await Run(Plan(port, [sent], connections=1, keep_bodies=True)).carry_out()
    if set(load.statuses) != {200}:
        raise RuntimeError(f"expected 200, got {dict(load.statuses)}: {load.bodies[0]!r}")
    return json.loads(load.bodies[0])


if __name__ == "__main__":
    gc.disable()
    uvloop.run(dispatch_all(int(sys.argv[1]), sys.stdin.read().strip()))
