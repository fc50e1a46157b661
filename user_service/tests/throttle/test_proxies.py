"""The address of a caller: a header, which anyone can send, is trusted from the proxies in the settings only."""

import httpx

from tests.harness.server import serving
from user_service.tests.conftest import ADA, SETTINGS

CLAIMS = {"X-Forwarded-For": "203.0.113.7", "Forwarded": "for=203.0.113.8", "X-Real-IP": "203.0.113.9"}
PROXY, NEIGHBOUR = "127.0.0.2", "127.0.0.1"


async def test_forwarded_headers_are_trusted_from_configured_proxies_only() -> None:
    """Not from those that uvicorn trusts by default: this machine's, and those in `FORWARDED_ALLOW_IPS`."""
    settings = {**SETTINGS, "trusted_proxies": PROXY, "forwarded_allow_ips": "*"}
    async with serving("user_service", **settings) as url:
        assert await _seen(url, NEIGHBOUR) == NEIGHBOUR
        assert await _seen(url, PROXY) == CLAIMS["X-Forwarded-For"]


async def _seen(url: str, address: str) -> str:
    """The address of a session that was begun from this machine with those headers."""
    transport = httpx.AsyncHTTPTransport(local_address=address)
    async with httpx.AsyncClient(base_url=url, headers=CLAIMS, transport=transport) as client:
        account = {**ADA, "email": f"at-{address}@example.com"}
        assert (await client.post("/users", json=account)).status_code == 201
        form = {"grant_type": "password", "username": account["email"], "password": account["password"]}
        token = (await client.post("/auth/token", data=form)).json()["access_token"]
        answer = await client.get("/auth/sessions", headers={"Authorization": f"Bearer {token}"})
        [session] = answer.json()["items"]
        return str(session["address"])
