"""Where a request comes from: a header that anybody can write is believed of the proxies that the settings name."""

import httpx

from tests.harness.server import serving
from user_service.tests.conftest import ADA, SETTINGS

CLAIMS = {"X-Forwarded-For": "203.0.113.7", "Forwarded": "for=203.0.113.8", "X-Real-IP": "203.0.113.9"}
PROXY, NEIGHBOUR = "127.0.0.2", "127.0.0.1"


async def test_a_served_process_believes_the_proxies_of_its_settings_alone() -> None:
    """Nor those that uvicorn would believe of itself: this machine's, and those of `FORWARDED_ALLOW_IPS`."""
    settings = {**SETTINGS, "trusted_proxies": PROXY, "forwarded_allow_ips": "*"}
    async with serving("user_service", **settings) as url:
        assert await _seen(url, NEIGHBOUR) == NEIGHBOUR
        assert await _seen(url, PROXY) == CLAIMS["X-Forwarded-For"]


async def _seen(url: str, address: str) -> str:
    """The address that a session shows which was opened from here, under those headers."""
    transport = httpx.AsyncHTTPTransport(local_address=address)
    async with httpx.AsyncClient(base_url=url, headers=CLAIMS, transport=transport) as client:
        account = {**ADA, "email": f"at-{address}@example.com"}
        assert (await client.post("/users", json=account)).status_code == 201
        form = {"grant_type": "password", "username": account["email"], "password": account["password"]}
        token = (await client.post("/auth/token", data=form)).json()["access_token"]
        answer = await client.get("/auth/sessions", headers={"Authorization": f"Bearer {token}"})
        [session] = answer.json()["items"]
        return str(session["address"])
