import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import httpx
import pytest

from service_kit.runtime import Runtime
from tests.harness.service import Caller, Served, serve
from tests.harness.smtp_server import SmtpServer, post_office
from user_service.keys.signer import Signer
from user_service.keys.vault import Vault
from user_service.mails.jobs import send_due
from user_service.passwords.hashing import Passwords
from user_service.resources import provide
from user_service.tests.phone import Clock

SETTINGS: dict[str, Any] = {
    "key_encryption_secret": "the tests' own key encryption secret",
    "password_memory_kib": 8,
    "password_rounds": 1,
    "first_admin_email": "admin@example.com",
    "first_admin_password": "the first admin's own words",
}
ADA = {"email": "ada@example.com", "password": "correct horse battery", "full_name": "Ada Lovelace"}
AGENT = "Tests/1.0"


class Accounts:
    """The user service, its callers at several addresses, and a mail server for the mails that they get."""

    def __init__(self, served: Served, office: SmtpServer) -> None:
        self.served = served
        self.office = office
        self.staff = served.caller(role="Admin")

    def at(self, address: str) -> httpx.AsyncClient:
        """A client without a token, at this IP address."""
        transport = httpx.ASGITransport(app=self.served.app, client=(address, 1234))
        return httpx.AsyncClient(transport=transport, base_url="http://service.test", headers={"User-Agent": AGENT})

    async def register(self, **changes: str) -> Caller:
        answer = await self.served.anonymous.post("/users", json={**ADA, **changes})
        assert answer.status_code == 201, answer.text
        return self.served.caller(role="User", user_id=UUID(answer.json()["id"]))

    async def sign_in(self, client: httpx.AsyncClient | None = None, **changes: str) -> httpx.Response:
        form = {"grant_type": "password", "username": ADA["email"], "password": ADA["password"], **changes}
        return await (client or self.served.anonymous).post("/auth/token", data=form)

    async def session(self, **changes: str) -> tuple[Caller, str]:
        """A caller who has signed in, and their refresh token."""
        tokens = (await self.sign_in(None, **changes)).json()
        await self.served.runtime.keys.refresh()
        headers = {"Authorization": f"Bearer {tokens['access_token']}", "User-Agent": AGENT}
        transport = httpx.ASGITransport(app=self.served.app)
        client = httpx.AsyncClient(transport=transport, base_url="http://service.test", headers=headers)
        me = (await client.get("/users/me")).json()
        return Caller(UUID(me["id"]), client), tokens["refresh_token"]

    async def stays(self, refresh_token: str) -> bool:
        """Whether the refresh token is valid; this uses it up."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return (await self.served.anonymous.post("/auth/token", data=form)).status_code == 200

    async def mails(self, address: str = ADA["email"]) -> list[EmailMessage]:
        """Sends the mails that are due; returns those that the address has got."""
        await send_due(self.served.runtime)
        return self.office.mails_to(address)

    async def codes(self, address: str = ADA["email"]) -> list[str]:
        return [code_of(mail) for mail in await self.mails(address)]

    async def request_reset(self, email: str = ADA["email"]) -> httpx.Response:
        return await self.served.anonymous.post("/auth/password-reset", json={"email": email})

    async def reset_code(self, email: str = ADA["email"]) -> str:
        assert (await self.request_reset(email)).status_code == 202
        resets = [mail for mail in await self.mails(email) if mail["Subject"] == "Choose a new password"]
        return code_of(resets[-1])

    async def audited(self, **filters: Any) -> list[dict[str, Any]]:
        """Newest first."""
        answer = await self.staff.get("/audit-log", params={"limit": 100, **filters})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["items"]
        return found

    async def sql(self, statement: str, *values: Any) -> Any:
        async with self.served.runtime.database.connection() as connection:
            return await connection.fetch(statement, *values)


def replace_resources(
    runtime: Runtime, *, passwords: Passwords | None = None, vault: Vault | None = None, signer: Signer | None = None
) -> None:
    """As if the service had been started with these, and with the settings that `runtime` provides now."""
    provide(
        runtime,
        passwords or runtime.resource(Passwords),
        vault or runtime.resource(Vault),
        signer or runtime.resource(Signer),
    )


def code_of(mail: EmailMessage) -> str:
    found = re.search(r"^([\w-]{43})\s*$", mail.get_content(), re.MULTILINE)
    assert found, mail.get_content()
    return found[1]


@asynccontextmanager
async def open_accounts(**settings: Any) -> AsyncIterator[Accounts]:
    async with post_office() as office:
        mail = {"smtp_host": "127.0.0.1", "smtp_port": office.port, "web_url": "https://mart.test/"}
        async with serve("user_service", **{**SETTINGS, **mail, **settings}) as served:
            yield Accounts(served, office)


@pytest.fixture(autouse=True)
def clock_of_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of the codes is set ahead, so that tests need not wait for the next one."""
    monkeypatch.setattr(Clock, "ahead", timedelta())
    monkeypatch.setattr("user_service.mfa.use_cases.utcnow", Clock.now)


@pytest.fixture
async def accounts() -> AsyncIterator[Accounts]:
    async with open_accounts() as accounts:
        yield accounts


@pytest.fixture
async def service() -> AsyncIterator[Served]:
    async with serve("user_service", **SETTINGS) as served:
        yield served
