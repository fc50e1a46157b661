"""Waiting for an order to change: `GET /orders/{id}` with `If-None-Match` and `Prefer: wait=N`."""

import asyncio
from uuid import UUID, uuid4

import httpx
import pytest

from order_service.orders import watch
from order_service.tests.conftest import Shop
from tests.harness.service import Caller

LONG = 30


async def read(
    shop: Shop, order_id: UUID, tag: str | None, wait: int = LONG, by: Caller | None = None
) -> httpx.Response:
    headers = {"Prefer": f"wait={wait}", **({"If-None-Match": tag} if tag else {})}
    return await (by or shop.customer).get(f"/orders/{order_id}", headers=headers)


async def tag_of(shop: Shop, order_id: UUID) -> str:
    return str((await shop.customer.get(f"/orders/{order_id}")).headers["ETag"])


async def waiting(shop: Shop, order_id: UUID, wait: int = LONG) -> "asyncio.Task[httpx.Response]":
    """A request that waits now."""
    task = asyncio.create_task(read(shop, order_id, await tag_of(shop, order_id), wait))
    watched = shop.runtime.resource(watch.OrderWatch)._waiting
    async with asyncio.timeout(10):
        while order_id not in watched:
            await asyncio.sleep(0)
    return task


@pytest.fixture
def no_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is seen now, a signal has told."""
    monkeypatch.setattr(watch, "SHORTEST_POLL", 3600.0)


@pytest.mark.usefixtures("no_poll")
async def test_a_commit_of_this_process_is_answered_at_once(shop: Shop) -> None:
    order_id = await shop.placed()
    task = await waiting(shop, order_id)
    async with asyncio.timeout(10):
        await shop.accept(order_id)
        answer = await task
    assert (answer.status_code, answer.json()["status"]) == (200, "awaiting_payment")
    assert answer.headers["ETag"] == f'"{answer.json()["version"]}"'
    assert answer.headers["Preference-Applied"] == f"wait={LONG}"


async def test_a_commit_of_another_process_is_found(shop: Shop) -> None:
    order_id = await shop.placed()
    task = await waiting(shop, order_id)
    async with asyncio.timeout(10):
        await shop.execute("UPDATE orders SET status = 'rejected', version = 7 WHERE id = $1", order_id)
        answer = await task
    assert (answer.json()["status"], answer.headers["ETag"]) == ("rejected", '"7"')


async def test_nothing_changed_is_a_304_when_the_time_is_over(shop: Shop) -> None:
    order_id = await shop.placed()
    tag = await tag_of(shop, order_id)
    answer = await read(shop, order_id, tag, wait=1)
    assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", tag)
    assert answer.headers["Preference-Applied"] == "wait=1"
    assert shop.runtime.resource(watch.OrderWatch)._waiting == {}


async def test_a_request_with_an_older_tag_or_none_is_answered_at_once(shop: Shop) -> None:
    order_id = await shop.accepted()
    async with asyncio.timeout(10):
        assert (await read(shop, order_id, '"1"')).status_code == 200
        without = await read(shop, order_id, None)
    assert (without.status_code, "Preference-Applied" in without.headers) == (200, False)
    known = await shop.customer.get(f"/orders/{order_id}", headers={"If-None-Match": await tag_of(shop, order_id)})
    assert known.status_code == 304, "without a wait it is an ordinary conditional request"


async def test_an_order_of_another_customer_is_not_found_without_a_wait(shop: Shop) -> None:
    order_id = await shop.placed()
    async with asyncio.timeout(10):
        answer = await read(shop, order_id, await tag_of(shop, order_id), by=shop.served.caller())
        assert answer.status_code == 404
        assert (await read(shop, uuid4(), '"1"')).status_code == 404


async def test_waiting_requests_hold_no_connection(shop: Shop) -> None:
    """Many more than there are connections; each gets its own order, and the others are served meanwhile."""
    orders = [await shop.placed() for _ in range(3)]
    tasks = [await waiting(shop, order_id) for order_id in orders for _ in range(10)]
    async with asyncio.timeout(20):
        assert await shop.status(orders[0]) == "pending"
        await shop.accept(*orders)
        answers = await asyncio.gather(*tasks)
    assert [UUID(answer.json()["id"]) for answer in answers] == [order_id for order_id in orders for _ in range(10)]
    assert {answer.json()["status"] for answer in answers} == {"awaiting_payment"}


async def test_a_draining_process_answers_waiting_requests(shop: Shop) -> None:
    order_id = await shop.placed()
    placing = asyncio.create_task(shop.place(await shop.product(), prefer=f"wait={LONG}"))
    task = await waiting(shop, order_id)
    async with asyncio.timeout(10):
        shop.runtime.drain()
        assert (await task).status_code == 304
        assert (await placing).json()["status"] == "pending"
        again = await read(shop, order_id, await tag_of(shop, order_id))
    assert again.status_code == 304, "nobody begins to wait in a process that leaves"


async def test_the_tag_changes_with_everything_that_the_answer_shows(shop: Shop) -> None:
    order_id = await shop.paid()
    tags = [await tag_of(shop, order_id)]
    for change in ("refunded = 100", "stuck_reason = 'why'", 'ship_to = ship_to || \'{"name": "erased"}\''):
        await shop.execute(f"UPDATE orders SET {change} WHERE id = $1", order_id)
        tags.append(await tag_of(shop, order_id))
    assert len(set(tags)) == 4, tags
    assert all(tag.strip('"').partition(".")[0] == tags[0].strip('"') for tag in tags), "an edit asks for the version"


async def test_a_placed_order_that_waited_has_the_tag_of_what_it_shows(shop: Shop) -> None:
    placing = asyncio.create_task(shop.place(await shop.product(), prefer=f"wait={LONG}"))
    async with asyncio.timeout(20):
        while (order_id := await shop.execute("SELECT id FROM orders")) is None:
            assert not placing.done()
        await shop.accept(order_id)
        answer = await placing
    assert (answer.json()["status"], answer.headers["ETag"]) == ("awaiting_payment", f'"{answer.json()["version"]}"')


async def test_a_request_beyond_the_limit_of_waiting_requests_is_answered_at_once(shop: Shop) -> None:
    order_id = await shop.placed()
    tag = await tag_of(shop, order_id)
    shop.runtime.capacity.waiting = 10**6
    async with asyncio.timeout(10):
        answer = await read(shop, order_id, tag)
    assert (answer.status_code, "Preference-Applied" in answer.headers) == (304, False)
    shop.runtime.capacity.waiting = 0
