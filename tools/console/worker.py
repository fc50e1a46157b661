"""The process that works while someone looks. It has the clients of Kafka, PostgreSQL and HTTP, and ends when nobody
looks any more, so that the server itself stays small."""

import asyncio
import itertools
import json
from collections.abc import Sequence
from typing import Any

# The longest answers are trails of large orders, and log lines.
LONGEST_LINE = 16 * 1024 * 1024
SECONDS = 90.0


class WorkFailed(Exception):
    """The worker could not do a task; the message says why."""


class Worker:
    """Sends tasks as lines of JSON to the standard input of `command`, and reads results from its standard output."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self._starting = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._ids = itertools.count(1)

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def ask(self, task: str, **arguments: Any) -> Any:
        """The result of a task. Starts the process, if it is not running. Raises: WorkFailed."""
        process = await self._started()
        id = next(self._ids)
        waiting = self._waiting[id] = asyncio.get_running_loop().create_future()
        line = json.dumps({"id": id, "task": task, "arguments": arguments})
        try:
            assert process.stdin is not None
            process.stdin.write(f"{line}\n".encode())
            async with asyncio.timeout(SECONDS):
                return await waiting
        except TimeoutError:
            raise WorkFailed(f"The console's worker has not answered within {SECONDS:.0f} s.") from None
        finally:
            del self._waiting[id]

    async def stop(self) -> None:
        """Closes the standard input, upon which the process ends."""
        if self._process is None or self._reading is None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(5):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
        await self._reading

    async def _started(self) -> asyncio.subprocess.Process:
        async with self._starting:
            if self._process is None or self._process.returncode is not None:
                if self._reading is not None:
                    await self._reading
                pipe = asyncio.subprocess.PIPE
                self._process = await asyncio.create_subprocess_exec(
                    *self._command, stdin=pipe, stdout=pipe, limit=LONGEST_LINE
                )
                self._reading = asyncio.create_task(self._read(self._process))
            return self._process

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            answer = json.loads(line)
            waiting = self._waiting.get(answer["id"])
            if waiting is None or waiting.done():
                continue
            if "error" in answer:
                waiting.set_exception(WorkFailed(answer["error"]))
            else:
                waiting.set_result(answer["result"])
        await process.wait()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(WorkFailed("The console's worker ended. `make logs SERVICE=console` shows why."))
