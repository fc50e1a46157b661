"""The REST API of VIES for tests: it knows the numbers that a test names, and fails as the real one does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local_stack import ports
from tests.harness.server import listening


class FakeVies:
    """`valid`: the numbers that are valid. `failing`: codes for numbers about which there is no answer, such as
    `MS_UNAVAILABLE`; `broken`: a response for all numbers."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.valid: set[str] = set()
        self.failing: dict[str, str] = {}
        self.broken: Response | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.asked: list[dict[str, Any]] = []
        self.app = Starlette(routes=[Route("/check-vat-number", self._check, methods=["POST"])])

    async def _check(self, request: Request) -> Response:
        body = await request.json()
        self.asked.append(body)
        await self.may_answer.wait()
        number = body["countryCode"] + body["vatNumber"]
        if self.broken is not None:
            return self.broken
        if code := self.failing.get(number):
            return JSONResponse({"actionSucceed": False, "errorWrappers": [{"error": code}]}, 400)
        reference = "WAPIAAAA" if "requesterNumber" in body else ""
        return JSONResponse(
            {"countryCode": body["countryCode"], "vatNumber": body["vatNumber"], "requestDate": "2026-11-29T00:00:00Z",
             "valid": number in self.valid, "requestIdentifier": reference, "name": "---", "address": "---"}
        )  # fmt: skip


@asynccontextmanager
async def fake_vies() -> AsyncIterator[FakeVies]:
    [port] = ports.lease()
    vies = FakeVies(f"http://127.0.0.1:{port}")
    try:
        async with listening(vies.app, port):
            try:
                yield vies
            finally:
                vies.may_answer.set()
    finally:
        ports.release([port])
