"""A pool of SMTP connections to the mail server. It classifies the server's errors for the retry queue of mails."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from email.message import Message
from email.utils import formataddr, parseaddr

import aiosmtplib

from service_kit.failpoints import failpoint
from service_kit.mail.settings import MailSettings
from service_kit.queue import Backoff, PermanentFailure, TemporaryFailure, Unreachable
from service_kit.runtime import Runtime

TIMEOUT = 10.0  # seconds for each reply of the server
SEND_TIMEOUT = 30.0  # for a whole message
FRESH = 1.0  # seconds: a connection that was idle for longer is tested before it is used
_SERVICE_CLOSING = 421


MAIL_BACKOFF = Backoff(timedelta(seconds=30), timedelta(hours=2), attempts=10)
"""The retry delays and the number of attempts of every queue of mails."""


class Mailer:
    """Sends messages over at most `size` concurrent connections, which stay open between messages."""

    def __init__(self, settings: MailSettings) -> None:
        self.size = settings.smtp_connections
        self.mail_from = formataddr(parseaddr(settings.mail_from))
        self.mail_domain = parseaddr(settings.mail_from)[1].rpartition("@")[2]  # of the sender's address
        self._settings = settings
        self._free = asyncio.Semaphore(self.size)
        self._idle: list[tuple[aiosmtplib.SMTP, float]] = []

    async def send(self, message: Message, recipient: str) -> None:
        """When this returns, the server has accepted the message.

        Raises: TemporaryFailure, PermanentFailure, Unreachable.
        """
        sender = parseaddr(self.mail_from)[1]
        try:
            async with asyncio.timeout(SEND_TIMEOUT), self._connection() as smtp:
                failpoint("mail.before")
                await smtp.send_message(message, sender=sender, recipients=[recipient])
                failpoint("mail.after")
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _failure(error.recipients[0]) from error
        except aiosmtplib.SMTPSenderRefused as error:
            # Our own address is rejected: the message can be sent once the server or MAIL_FROM is corrected.
            raise TemporaryFailure(_words(error)) from error
        except aiosmtplib.SMTPResponseException as error:
            raise _failure(error) from error
        except aiosmtplib.SMTPNotSupported as error:
            raise PermanentFailure(str(error)) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise TemporaryFailure(str(error) or type(error).__name__) from error

    async def close(self) -> None:
        while self._idle:
            smtp, _ = self._idle.pop()
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                async with asyncio.timeout(1):
                    await smtp.quit()
            smtp.close()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[aiosmtplib.SMTP]:
        """A connection that returns to the pool unless it failed. A rejected message is not its failure."""
        async with self._free:
            smtp = await self._idle_one() or await self._new_one()
            try:
                yield smtp
            except BaseException as error:
                if not isinstance(error, (aiosmtplib.SMTPResponseException, aiosmtplib.SMTPRecipientsRefused)):
                    smtp.close()
                raise
            finally:
                if smtp.is_connected:
                    self._idle.append((smtp, time.monotonic()))

    async def _idle_one(self) -> aiosmtplib.SMTP | None:
        while self._idle:
            smtp, since = self._idle.pop()
            if not smtp.is_connected:
                continue
            if time.monotonic() - since < FRESH:
                return smtp
            try:
                await smtp.noop()
            except (aiosmtplib.SMTPException, OSError):
                smtp.close()
            else:
                return smtp
        return None

    async def _new_one(self) -> aiosmtplib.SMTP:
        settings = self._settings
        smtp = aiosmtplib.SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            username=settings.smtp_username,
            password=settings.smtp_password.get_secret_value() if settings.smtp_password else None,
            use_tls=settings.smtp_tls,
            start_tls=settings.start_tls,
            cert_bundle=str(settings.smtp_ca_file) if settings.smtp_ca_file else None,
            timeout=TIMEOUT,
        )
        try:
            await smtp.connect()
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            smtp.close()
            raise Unreachable(f"{type(error).__name__}: {error}") from error
        return smtp


@asynccontextmanager
async def open_mailer(runtime: Runtime) -> AsyncIterator[None]:
    """Provides the runtime with a mailer until it stops."""
    mailer = Mailer(runtime.resource(MailSettings))
    runtime.provide(mailer)
    try:
        yield
    finally:
        await mailer.close()


def _failure(error: aiosmtplib.SMTPResponseException) -> Exception:
    if error.code == _SERVICE_CLOSING:
        return Unreachable(_words(error))
    return (PermanentFailure if error.code >= 500 else TemporaryFailure)(_words(error))


def _words(error: aiosmtplib.SMTPResponseException) -> str:
    return f"{error.code} {error.message}"
