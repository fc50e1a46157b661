"""The console in a real browser, beside a running shop."""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from uuid import uuid4

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, expect

from local_stack.parts import CONSOLE
from tests.harness.browser import chromium, needs_chromium
from tests.system.world import ADDRESS, Person, World

RED_SECONDS = 10.0
READY = "All 9 parts are ready."
MARKUP = "<img src=x onerror=\"document.title='owned'\"><b>no longer wanted</b>"
SLOW = 60_000
"""Milliseconds to wait for what the shop does, also on a busy machine."""

pytestmark = needs_chromium


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def page(browser: Browser, world: World) -> AsyncIterator[Page]:
    """The overview. Fails if the browser has reported an error, such as a violation of the security policy."""
    page = await browser.new_page(base_url=world.shop.url(CONSOLE.name))
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", partial(_note, problems))
    await page.goto("/")
    yield page
    await page.close()
    assert problems == []


@asynccontextmanager
async def buying(customer: Person, product: str) -> AsyncIterator[None]:
    """Places orders until the block ends."""

    async def buy() -> None:
        while True:
            await customer.order((product, 1), payment_token="tok_ok")
            await asyncio.sleep(0.1)

    task = asyncio.create_task(buy())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_health_rates_and_latencies_are_shown(world: World, page: Page) -> None:
    await expect(page.get_by_text(READY)).to_be_visible(timeout=SLOW)
    customer, product = await world.customer(), await world.product(stock=10_000)
    async with buying(customer, product):
        for tile in ("orders", "requests", "events"):
            await expect(page.locator(f"[data-tile={tile}] .value")).to_have_text(
                re.compile("^(?!0$).*[0-9]"), timeout=SLOW
            )
        flow = page.get_by_role("region", name="Flow of events")
        await flow.get_by_text("The same as a table").click()
        row = flow.get_by_role("row", name=re.compile("^order_notification"))
        await expect(row.get_by_role("cell").first).to_have_text(re.compile("^(?!0$).*[0-9]"), timeout=SLOW)
        for chart in ("requests", "request-time", "decision-time", "event-age"):
            card = page.locator(f"[data-chart={chart}]")
            await expect(card.locator(".value", has_text=re.compile("[1-9]")).first).to_be_visible(timeout=SLOW)
            await expect(card.locator("canvas")).to_be_visible(timeout=SLOW)


async def test_a_stopped_service_is_red_within_ten_seconds_and_its_lag_grows(world: World, page: Page) -> None:
    await expect(page.get_by_text(READY)).to_be_visible(timeout=SLOW)
    customer, product = await world.customer(), await world.product(stock=10)
    await customer.order((product, 1))  # the order service has the product
    await asyncio.to_thread(world.shop.stop, "notification")
    try:
        card = page.locator("[data-part=notification]")
        await expect(card).to_have_class("part down", timeout=RED_SECONDS * 1000)
        assert await card.evaluate("each => getComputedStyle(each).borderTopColor") == "rgb(179, 38, 30)"
        await expect(page.get_by_role("status").first).to_contain_text("Notification service: down")
        await expect(page).to_have_title(re.compile("^1 down"))
        await customer.order((product, 1))
        await expect(page.locator(".drawing .lag", has_text=re.compile("lag [1-9]")).first).to_be_visible(timeout=SLOW)
    finally:
        await asyncio.to_thread(world.shop.start, "notification")
        await asyncio.to_thread(world.shop.wait_ready, "notification")
    await expect(page.get_by_text(READY)).to_be_visible(timeout=SLOW)
    await expect(page.locator("[data-tile=lag] .value")).to_have_text("0", timeout=SLOW)


async def test_from_an_order_by_its_trail_to_the_logs_of_its_trace(world: World, page: Page) -> None:
    trace = secrets.token_hex(16)
    customer, product = await world.customer(), await world.product(stock=3)
    body = {"lines": [{"product_id": product, "quantity": 1}], "ship_to": ADDRESS}
    headers = {"Idempotency-Key": str(uuid4()), "Prefer": "wait=30", "traceparent": f"00-{trace}-{'b' * 16}-01"}
    order = await customer.call("order", "POST", "/orders", json=body, headers=headers)
    await page.get_by_role("link", name="Orders").click()
    await page.get_by_role("link", name=str(order["number"])).click(timeout=SLOW)
    await expect(page.get_by_role("heading", name=f"Order {order['number']}")).to_be_visible()
    steps = page.get_by_role("region", name="Steps").get_by_role("listitem")
    await expect(steps.filter(has_text="emitted order.placed")).to_be_visible(timeout=SLOW)
    await expect(steps.filter(has_text="consumed reservation.requested")).to_be_visible()
    await page.get_by_role("link", name=trace).first.click()
    lines = page.get_by_role("list", name="Log lines").get_by_role("listitem")
    await expect(lines.filter(has_text="path=/orders").first).to_be_visible(timeout=SLOW)
    # The next request of the same trace is added.
    await customer.call("order", "GET", f"/orders/{order['id']}", headers=headers)
    await expect(lines.filter(has_text=f"path=/orders/{order['id']}").first).to_be_visible(timeout=SLOW)


async def test_markup_of_customers_is_shown_as_text(world: World, page: Page) -> None:
    customer, product = await world.customer(), await world.product(stock=3)
    order = await customer.order((product, 1))
    await customer.order_becomes(order["id"], "awaiting_payment")
    await customer.call("order", "POST", f"/orders/{order['id']}/cancel", json={"reason": MARKUP})
    await page.goto(f"/#/orders/{order['number']}")
    await expect(page.get_by_text("no longer wanted</b>").first).to_be_visible(timeout=SLOW)
    assert await page.locator("#page img, #page b").count() == 0
    assert "owned" not in await page.title()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_on_a_phone_nothing_scrolls_sideways(world: World, browser: Browser, scheme: str) -> None:
    number = (await _any_order(world))["number"]
    page = await browser.new_page(
        base_url=world.shop.url(CONSOLE.name), viewport={"width": 390, "height": 844},
        color_scheme="dark" if scheme == "dark" else "light",
    )  # fmt: skip
    shown: dict[str, Callable[[], Awaitable[None]]] = {
        "/": lambda: expect(page.locator("[data-part=order]")).to_be_visible(timeout=SLOW),
        "/#/orders": lambda: expect(page.locator(".orders tbody tr").first).to_be_visible(timeout=SLOW),
        f"/#/orders/{number}": lambda: expect(page.locator(".step").first).to_be_visible(timeout=SLOW),
        "/#/logs": lambda: expect(page.get_by_role("list", name="Log lines")).to_be_attached(),
    }
    for path, is_shown in shown.items():
        await page.goto(path)
        await is_shown()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390, path
    await page.close()


async def test_the_keyboard_reaches_everything(world: World, page: Page) -> None:
    await expect(page.locator("[data-part=order]")).to_be_visible(timeout=SLOW)
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Orders")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Orders", exact=True)).to_be_visible()
    await expect(page.get_by_role("link", name="Orders")).to_have_attribute("aria-current", "page")


async def test_a_console_that_stops_is_noticed(world: World, page: Page) -> None:
    await expect(page.locator("[data-part=order]")).to_be_visible(timeout=SLOW)
    await asyncio.to_thread(world.shop.stop, CONSOLE.name)
    try:
        await expect(page.get_by_role("alert")).to_contain_text("does not answer", timeout=RED_SECONDS * 1000)
    finally:
        await asyncio.to_thread(world.shop.start, CONSOLE.name)
        await asyncio.to_thread(world.shop.wait_ready, CONSOLE.name)
    await expect(page.get_by_role("alert")).to_be_hidden(timeout=SLOW)


def _note(problems: list[str], message: ConsoleMessage) -> None:
    if "Security Policy" in message.text:
        problems.append(message.text)


async def _any_order(world: World) -> dict[str, int]:
    customer, product = await world.customer(), await world.product(stock=3)
    return await customer.order((product, 1))
