"""Every response of every service has the security headers; only configured origins may read it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from service_kit.http.headers import of_every_answer
from tests.harness.service import NEEDED, serve
from tests.security.operations import SERVICES, app

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}
ORIGIN = "http://shop.test"


@asynccontextmanager
async def client(service: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application whose database cannot be reached, so that its 503 is tested, too."""
    served = app(service)
    await served.state.runtime.keys.refresh()
    transport = httpx.ASGITransport(app=served)
    async with httpx.AsyncClient(transport=transport, base_url="http://service.test") as found:
        yield found


@pytest.mark.parametrize("service", SERVICES)
async def test_every_response_has_security_headers(service: str) -> None:
    async with client(service) as ask:
        answers = {
            200: await ask.get("/health/live"),
            503: await ask.get("/health/ready"),
            404: await ask.get("/nowhere"),
            405: await ask.put("/health/live"),
            401: await ask.get("/dead-letters"),
            413: await ask.post("/nowhere", content=b"x" * 1_048_577),
            431: await ask.get("/health/live", headers={"X-Long": "x" * 40_000}),
        }
        pages = [await ask.get(path) for path in ("/docs", "/redoc", "/openapi.json", "/docs-assets/swagger-ui.css")]
    for status, answer in answers.items():
        assert answer.status_code == status
    for answer in [*answers.values(), *pages]:
        for name, value in ALWAYS.items():
            assert answer.headers[name] == value, f"{answer.request.url}: {name}"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"], answer.request.url
        assert "Strict-Transport-Security" not in answer.headers  # browsers ignore it in plain HTTP


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_a_page_runs_only_its_own_scripts(path: str) -> None:
    async with client("order") as ask:
        policy = (await ask.get(path)).headers["Content-Security-Policy"]
    [scripts] = [part for part in policy.split("; ") if part.startswith("script-src")]
    assert "unsafe" not in scripts
    assert "*" not in policy
    assert policy.startswith("default-src 'none'")


def test_a_shop_with_https_sends_strict_transport_security() -> None:
    """It includes subdomains, since an attacker who impersonates one over plain HTTP could set the shop's cookies."""
    published = dict(of_every_answer("https://shop.example"))[b"strict-transport-security"]
    assert published == b"max-age=31536000; includeSubDomains"


@pytest.mark.parametrize("service", SERVICES)
async def test_responses_to_tokens_are_not_cached(service: str) -> None:
    async with serve(f"{service}_service", **NEEDED.get(service, {})) as served:
        admin = served.caller(role="Admin")
        for path in ("/dead-letters", "/nowhere"):
            assert (await admin.get(path)).headers["Cache-Control"] == "no-store", path
        rejected = await served.client("nonsense").get("/dead-letters")
        assert rejected.headers["Cache-Control"] == "no-store"


async def test_only_named_origins_are_allowed() -> None:
    async with serve("product_service", cors_origins=ORIGIN) as served:
        asks = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
        ours = await served.anonymous.options("/products", headers={"Origin": ORIGIN, **asks})
        assert ours.headers["Access-Control-Allow-Origin"] == ORIGIN
        for origin in ("http://evil.test", "null", f"{ORIGIN}.evil.test", "http://evil-shop.test"):
            for answer in (
                await served.anonymous.options("/products", headers={"Origin": origin, **asks}),
                await served.anonymous.get("/products", headers={"Origin": origin}),
            ):
                assert "Access-Control-Allow-Origin" not in answer.headers, origin
        assert "Access-Control-Allow-Credentials" not in ours.headers


async def test_a_wildcard_origin_allows_no_credentials() -> None:
    async with serve("product_service", cors_origins="*") as served:
        answer = await served.anonymous.get("/products", headers={"Origin": "http://anywhere.test", "Cookie": "a=b"})
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in answer.headers
