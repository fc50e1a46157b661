"""VIES, the European Commission's register of VAT numbers, by its REST API."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from pydantic import BaseModel, Field, ValidationError
from stdnum.eu import vat

from order_service.taxes.registries.port import Answer, RegistryUnreachable
from service_kit.telemetry.tracing import span_of_call

PREFIXES = frozenset(state.upper() for state in vat.MEMBER_STATES - {"gr"}) | {"EL"}
"""Greece has EL, and Northern Ireland XI."""
ANSWERED = frozenset({"", "VALID", "INVALID", "INVALID_INPUT"})
"""Codes that come with an answer. All others, such as MS_UNAVAILABLE, mean that nobody knows: the member state's own
register may be down, and then `valid` is false too."""


class _Error(BaseModel):
    error: str = "UNKNOWN"


class _Body(BaseModel):
    valid: bool | None = None
    user_error: str | None = Field(default=None, alias="userError")
    reference: str | None = Field(default=None, alias="requestIdentifier")
    errors: list[_Error] = Field(default_factory=list, alias="errorWrappers")

    @property
    def code(self) -> str:
        return self.errors[0].error if self.errors else self.user_error or ""


class Vies:
    """`requester`: the shop's own VAT number; with it, VIES returns a reference that proves the check."""

    name = "vies"
    prefixes = PREFIXES

    def __init__(self, client: httpx.AsyncClient, requester: str | None, timeout_seconds: float) -> None:
        self._client = client
        self._timeout = timeout_seconds
        self._requester = (
            {"requesterMemberStateCode": requester[:2], "requesterNumber": requester[2:]} if requester else {}
        )

    async def check(self, number: str) -> Answer:
        body = {"countryCode": number[:2], "vatNumber": number[2:], **self._requester}
        try:
            with span_of_call("POST vies.check", {"http.request.method": "POST"}):
                async with asyncio.timeout(self._timeout):
                    response = await self._client.post("check-vat-number", json=body)
            found = _Body.model_validate_json(response.content)
        except (httpx.HTTPError, TimeoutError) as error:
            raise RegistryUnreachable(type(error).__name__) from error
        except ValidationError as error:
            raise RegistryUnreachable(f"status {response.status_code} without a readable answer") from error
        if found.code == "INVALID_INPUT":
            return Answer(is_valid=False)
        if found.code not in ANSWERED or found.valid is None or not response.is_success:
            raise RegistryUnreachable(found.code or f"status {response.status_code}")
        return Answer(found.valid, found.reference or None)


@asynccontextmanager
async def open_vies(url: str, requester: str | None, timeout_seconds: float) -> AsyncIterator[Vies]:
    async with httpx.AsyncClient(base_url=url, timeout=timeout_seconds) as client:
        yield Vies(client, requester, timeout_seconds)
