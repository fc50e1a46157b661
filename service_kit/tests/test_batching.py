import asyncio
from collections.abc import Sequence

import pytest

from service_kit.batching import Batching


class Work:
    """Doubles numbers, records its batches, and waits in each until the test lets it continue."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may_continue = asyncio.Event()

    async def __call__(self, numbers: Sequence[int]) -> Sequence[int]:
        self.batches.append(list(numbers))
        await self.may_continue.wait()
        if 13 in numbers:
            raise ValueError("13")
        return [2 * number for number in numbers]

    async def has_begun(self) -> None:
        while not self.batches:
            await asyncio.sleep(0)


async def test_the_first_item_runs_at_once_and_later_ones_form_a_batch() -> None:
    work = Work()
    batching = Batching(work, most=3)
    first = asyncio.create_task(batching.do(1))
    await work.has_begun()
    others = [asyncio.create_task(batching.do(number)) for number in (2, 3, 4, 5)]
    await asyncio.sleep(0)
    work.may_continue.set()
    assert await asyncio.gather(first, *others) == [2, 4, 6, 8, 10]
    assert work.batches == [[1], [2, 3, 4], [5]]


async def test_a_failing_item_fails_alone() -> None:
    work = Work()
    work.may_continue.set()
    batching = Batching(work)
    results = await asyncio.gather(*(batching.do(number) for number in (1, 13, 2)), return_exceptions=True)
    assert results[0] == 2
    assert isinstance(results[1], ValueError)
    assert results[2] == 4


async def test_a_caller_who_disconnects_affects_no_others() -> None:
    work = Work()
    batching = Batching(work)
    first = asyncio.create_task(batching.do(1))
    await work.has_begun()
    leaving, staying = asyncio.create_task(batching.do(2)), asyncio.create_task(batching.do(3))
    await asyncio.sleep(0)
    first.cancel()
    leaving.cancel()
    work.may_continue.set()
    assert await staying == 6
    assert work.batches == [[1], [2, 3]]
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert await batching.do(4) == 8
