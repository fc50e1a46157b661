"""`python -m tools.console.work <directory>`: does the tasks that `Worker` sends, until its standard input ends."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import IO, Any

from local_stack.errors import StackError
from local_stack.shop import Shop
from tools.console import charts, logs, orders, trails
from tools.console.sampling import Sampler

Task = Callable[..., Awaitable[Any]]


def tasks(shop: Shop, sampler: Sampler) -> dict[str, Task]:
    in_thread = partial(partial, asyncio.to_thread)
    return {
        "sample": sampler.sample,
        "orders": in_thread(orders.last, shop),
        "trail": in_thread(trails.follow, shop),
        "logs": in_thread(logs.search, shop.layout),
        "charts": in_thread(charts.files, shop.settings["MAVEN_REPOSITORY"]),
    }


async def work(shop: Shop, output: IO[bytes]) -> None:
    sampler = Sampler(shop)
    known = tasks(shop, sampler)
    running: set[asyncio.Task[None]] = set()
    requests = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(requests), sys.stdin)
    try:
        async for line in requests:
            request = json.loads(line)
            task = asyncio.create_task(_answer(known[request["task"]], request, output))
            running.add(task)
            task.add_done_callback(running.discard)
    finally:
        for task in running:
            task.cancel()
        await sampler.close()


async def _answer(task: Task, request: dict[str, Any], output: IO[bytes]) -> None:
    answer: dict[str, Any] = {"id": request["id"]}
    try:
        answer["result"] = await task(**request["arguments"])
    except StackError as error:
        answer["error"] = str(error)
    except Exception as error:
        print(f"{request['task']}: {error!r}", file=sys.stderr)
        answer["error"] = f"{request['task']}: {error!r}"
    output.write(json.dumps(answer, default=str).encode() + b"\n")
    output.flush()


def main() -> None:
    # What a library prints must not get between the answers.
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    asyncio.run(work(Shop(Path(sys.argv[1])), output))


if __name__ == "__main__":
    main()
