"""An SMTP server that stores each mail before it responds to the sender."""

import asyncio
import time

from aiosmtpd.smtp import SMTP, Envelope, Session

from sandbox.database import Database
from sandbox.mailbox import messages
from sandbox.mailbox.settings import MailboxSettings


class Storing:
    def __init__(self, database: Database) -> None:
        self._database = database

    # aiosmtpd prescribes the name.
    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        raw = envelope.content
        assert isinstance(raw, bytes)
        sender = envelope.mail_from or ""
        await self._database.write(lambda db: messages.store(db, time.time(), sender, envelope.rcpt_tos, raw))
        return "250 2.0.0 Stored"


async def listen(database: Database, settings: MailboxSettings) -> asyncio.Server:
    handler = Storing(database)
    loop = asyncio.get_running_loop()

    def connection() -> SMTP:
        return SMTP(
            handler,
            hostname="mailbox",
            ident="Sandbox mailbox",
            data_size_limit=settings.max_message_bytes,
            enable_SMTPUTF8=True,
            loop=loop,
        )

    return await loop.create_server(connection, settings.smtp_host, settings.smtp_port)
