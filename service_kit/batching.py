"""Groups concurrent work into batches: the items that arrive while a batch is running form the next one.

An item that arrives while no batch is running forms a batch by itself at once. So only load makes batches larger.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from service_kit.audit import actor

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batching(Generic[Item, Result]):
    """`work` takes at most `most` items, and returns a result for each, in their order."""

    def __init__(self, work: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]], most: int = 100) -> None:
        self._work = work
        self._most = most
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._worker: asyncio.Task[None] | None = None

    async def do(self, item: Item) -> Result:
        """Returns the item's result. Raises what the work raises for this item alone."""
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if self._worker is None:
            self._worker = asyncio.create_task(self._run())
        return await done

    async def _run(self) -> None:
        actor.forget()  # the request that starts the batch is not the author of its other items
        try:
            while self._waiting:
                await self._carry_out([self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))])
        finally:
            self._worker = None

    async def _carry_out(self, batch: Sequence[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._work([item for item, _ in batch])
        except Exception as error:
            if len(batch) > 1:  # each item is tried alone, so that only the faulty one fails
                for each in batch:
                    await self._carry_out([each])
            elif not batch[0][1].done():
                batch[0][1].set_exception(error)
            return
        for (_, done), result in zip(batch, results, strict=True):
            if not done.done():  # done: the caller was cancelled, though its item was part of the batch
                done.set_result(result)
