"""The benchmark's side of a load generator: prepares requests, which another process sends, and reads the results."""

import asyncio
import json
import pickle
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.load.plan import Load, Plan
from local_stack.environment import ROOT


class LoadFailed(Exception):
    """The service gave unexpected responses, so that a figure would have no meaning."""


def request(method: str, path: str, body: Any = None, **headers: str) -> bytes:
    """An HTTP/1.1 request as bytes. The argument `Idempotency_Key` becomes the header `Idempotency-Key`."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: shop.test"]
    if body is not None:
        lines += ["Content-Type: application/json"]
    lines += [f"Content-Length: {len(content)}"] if content else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


async def send(plan: Plan, expected: int = 200) -> Load:
    """Sends the requests of the plan from a separate process. Raises: LoadFailed, if a response has another status."""
    load = await carried_out(plan, "benchmarks.load.generator")
    if set(load.statuses) != {expected}:
        raise LoadFailed(f"expected {expected} only, got {dict(load.statuses)}")
    return load


async def carried_out(plan: Plan, module: str) -> Load:
    """The result of the plan in a process that runs `module`. Raises: LoadFailed."""
    with tempfile.TemporaryDirectory(prefix="online-mart-load-") as name:
        given, got = Path(name) / "plan", Path(name) / "answer"
        given.write_bytes(pickle.dumps(plan))
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", module, str(given), str(got), cwd=ROOT)
        if await process.wait() != 0:
            raise LoadFailed("the load generator failed: see above")
        load: Load = pickle.loads(got.read_bytes())
    return load
