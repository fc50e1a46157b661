"""A person with an account of the test's service, who signs in through its API."""

from typing import Any, Self
from uuid import UUID

import httpx

from service_kit.clock import utcnow
from tests.harness.service import Served

PASSWORD = "correct horse battery"


class Person:
    """Registers, signs in with a password, and calls with the tokens of that sign-in."""

    def __init__(self, service: Served, email: str = "ada@example.com", user_agent: str = "Ada's phone/1") -> None:
        self.service = service
        self.email = email
        self.agent = {"User-Agent": user_agent}
        self.id = UUID(int=0)
        self.tokens: dict[str, Any] = {}

    async def register(self) -> Self:
        body = {"email": self.email, "password": PASSWORD, "full_name": "Ada Lovelace"}
        answer = await self.service.anonymous.post("/users", json=body)
        assert answer.status_code == 201, answer.text
        self.id = UUID(answer.json()["id"])
        return self

    async def give(self, *roles: str) -> Self:
        staff = self.service.caller(role="Admin")
        answer = await staff.patch(f"/users/{self.id}", json={"roles": list(roles)})
        assert answer.status_code == 200, answer.text
        return self

    async def ask(self, **form: str) -> httpx.Response:
        return await self.service.anonymous.post("/auth/token", data=form, headers=self.agent)

    async def try_password(self, **form: str) -> httpx.Response:
        return await self.ask(**{"grant_type": "password", "username": self.email, "password": PASSWORD, **form})

    async def sign_in(self, **form: str) -> Self:
        return await self._keep(await self.try_password(**form))

    async def refresh(self, token: str | None = None) -> httpx.Response:
        return await self.ask(grant_type="refresh_token", refresh_token=token or self.tokens["refresh_token"])

    async def stay(self) -> Self:
        return await self._keep(await self.refresh())

    async def call(self, method: str, url: str, **rest: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.tokens['access_token']}", **self.agent}
        return await self.service.anonymous.request(method, url, headers=headers, **rest)

    @property
    def permissions(self) -> set[str]:
        return set(self.tokens["scope"].split())

    async def _keep(self, answer: httpx.Response) -> Self:
        assert answer.status_code == 200, answer.text
        self.tokens = answer.json()
        await self.service.runtime.keys.refresh()  # what the first token was signed with may be new
        return self


async def later(service: Served, seconds: float) -> None:
    """Moves the uses of all refresh tokens so far back in time."""
    async with service.runtime.database.connection() as connection:
        await connection.execute(
            "UPDATE refresh_tokens SET used_at = used_at - make_interval(secs => $1)", float(seconds)
        )


async def live_tokens(service: Served) -> int:
    async with service.runtime.database.connection() as connection:
        count: int = await connection.fetchval(
            "SELECT count(*) FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id "
            "WHERE t.used_at IS NULL AND s.expires_at > $1",
            utcnow(),
        )
    return count
