"""Random faults between us and the gateway."""

import asyncio
import random
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from order_service.payments.gateways.port import NoResponse, PaymentGateway

Asgi = Callable[..., Awaitable[None]]


class Crash(Exception):
    """Simulates a crash of the process at this point."""


class WebhookFaults:
    """An ASGI wrapper of the service: it rejects webhooks, delays them (so that others overtake them), or loses the
    response after they were handled (so that the gateway repeats them)."""

    def __init__(self, app: Asgi, chance: random.Random) -> None:
        self._app = app
        self._chance = chance
        self.is_calm = False

    async def __call__(self, scope: MutableMapping[str, Any], receive: Asgi, send: Asgi) -> None:
        fate = 1.0 if self.is_calm else self._chance.random()
        if fate < 0.15:
            await _answer(send, 503)
            return
        if fate < 0.5:
            await asyncio.sleep(self._chance.uniform(0, 0.4))
        if fate >= 0.3:
            await self._app(scope, receive, send)
            return

        async def to_nobody(message: Any) -> None:
            """Handles the request and loses the response."""

        await self._app(scope, receive, to_nobody)
        await _answer(send, 500)


async def _answer(send: Asgi, status: int) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


class CallFaults:
    """The service's calls: some are not sent, the responses of some are lost, and around some the process crashes."""

    def __init__(self, gateway: PaymentGateway, chance: random.Random) -> None:
        self._chance = chance
        self.is_calm = False
        for name in ("open", "resolve", "capture", "cancel", "refund"):
            call = getattr(gateway, name)
            setattr(gateway, name, self._with_faults(call, may_crash=name != "resolve"))

    def _with_faults(self, call: Callable[..., Awaitable[Any]], *, may_crash: bool) -> Callable[..., Awaitable[Any]]:
        async def with_faults(*arguments: Any, **named: Any) -> Any:
            fate = 1.0 if self.is_calm else self._chance.random()
            if fate < 0.05:
                return NoResponse.UNREACHABLE
            if may_crash and fate < 0.1:
                raise Crash
            answer = await call(*arguments, **named)
            if fate < 0.2:
                return NoResponse.LOST
            if may_crash and fate < 0.25:
                raise Crash
            return answer

        return with_faults
