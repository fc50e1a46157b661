"""Swagger's *Authorize* and *Try it out* in a real browser, on the pages of a running shop."""

from collections.abc import AsyncIterator
from functools import partial

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page

from tests.harness.browser import chromium, needs_chromium
from tests.system.world import World

A_GUARDED_GET = {
    "user": "/users/me", "product": "/me/export", "inventory": "/warehouses", "order": "/orders",
    "notification": "/notifications",
}  # fmt: skip

pytestmark = needs_chromium


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.mark.parametrize(
    "service", [pytest.param(name, marks=() if name == "order" else pytest.mark.long) for name in A_GUARDED_GET]
)
async def test_authorize_and_try_it_out(world: World, browser: Browser, service: str) -> None:
    """A page takes seconds, so a normal run tests one, and the long run all five."""
    page = await browser.new_page()
    complaints: list[str] = []
    page.on("console", partial(_note, complaints))
    await page.goto(_docs(world, service))
    await _authorize(page, world)
    assert await _try_out(page, A_GUARDED_GET[service]) == "200"
    assert complaints == []
    await page.close()


async def test_redoc_shows_the_operations(world: World, browser: Browser) -> None:
    page = await browser.new_page()
    await page.goto(_docs(world, "order").replace("/docs", "/redoc"))
    await page.get_by_role("heading", name="Place an order").wait_for()
    await page.close()


def _docs(world: World, service: str) -> str:
    """The page by the host name that `CORS_ORIGINS` of the shop allows."""
    return world.url(service).replace("127.0.0.1", "localhost") + "/docs"


def _note(found: list[str], message: ConsoleMessage) -> None:
    """Browsers report violations of the content security policy on the console."""
    if "Content Security Policy" in message.text or "CORS" in message.text:
        found.append(message.text)


async def _authorize(page: Page, world: World) -> None:
    await page.locator(".auth-wrapper .authorize").first.click()
    await page.locator("#oauth_username").fill(world.staff.form["username"])
    await page.locator("#oauth_password").fill(world.staff.form["password"])
    await page.locator(".auth-btn-wrapper .authorize").click()
    await page.get_by_role("button", name="Remove authorization").wait_for()
    await page.locator(".btn-done").click()


async def _try_out(page: Page, path: str) -> str:
    operation = page.locator(".opblock-get", has=page.locator(f'[data-path="{path}"]'))
    await operation.locator(".opblock-summary").click()
    await operation.get_by_role("button", name="Try it out").click()
    await operation.get_by_role("button", name="Execute").click()
    status = operation.locator(".live-responses-table tbody .response-col_status").first
    await status.wait_for()
    return (await status.inner_text()).split()[0]
