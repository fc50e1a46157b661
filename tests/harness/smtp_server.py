"""A mail server for tests, which keeps the mails and can be made to reject them."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, cast

from aiosmtpd.smtp import SMTP, Envelope, Session

Answer = Callable[[str], str | None]


class SmtpServer:
    """`answer` returns the rejection of a recipient, or None for 250.

    `tls`: implicit TLS, as on port 465.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.port = 0
        self.mails: list[EmailMessage] = []
        self.answer: Answer = lambda _: None
        self.most_at_once = 0
        self.delay = 0.0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.connections = 0
        self._at_once = 0
        self._server: asyncio.Server | None = None

    # aiosmtpd requires this name.
    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        await asyncio.sleep(self.delay)
        self._at_once -= 1
        if rejection := self.answer(envelope.rcpt_tos[0]):
            return rejection
        self.mails.append(message_from_bytes(cast(bytes, envelope.content), policy=policy.default))
        await self.may_answer.wait()
        return "250 2.0.0 Stored"

    def mails_to(self, address: str) -> list[EmailMessage]:
        return [mail for mail in self.mails if address in mail["To"]]

    async def open(self) -> None:
        self._server = await asyncio.get_running_loop().create_server(
            self._connection, "127.0.0.1", self.port, ssl=self._tls
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _connection(self) -> Any:
        self.connections += 1
        return SMTP(self, hostname="post-office", enable_SMTPUTF8=True, loop=asyncio.get_running_loop())


@asynccontextmanager
async def post_office(tls: ssl.SSLContext | None = None) -> AsyncIterator[SmtpServer]:
    office = SmtpServer(tls)
    await office.open()
    try:
        yield office
    finally:
        await office.close()
