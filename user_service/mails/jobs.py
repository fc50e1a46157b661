"""Sends the mails that are due. No transaction is open while the mail server is spoken to.

The token is made at the moment of sending, so that it stands nowhere but in the mail. A crash between the server's
`250` and our mark sends another mail, with another token; the first one stays good too, until one of them is used.
"""

from datetime import timedelta
from uuid import UUID

import structlog
from prometheus_client import Counter

from service_kit.clock import utcnow
from service_kit.database import Database
from service_kit.jobs import Job, all_of
from service_kit.mail import Mailer, Refused, ServerAway
from service_kit.runtime import Runtime
from user_service.mails import queries
from user_service.mails.models import Purpose
from user_service.mails.queries import Claimed
from user_service.mails.use_cases import hash_of, lifetime_of, new_token
from user_service.mails.wording import compose
from user_service.settings import Settings

BATCH = 20
HOLD = timedelta(minutes=3)
ATTEMPTS = 10
FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(hours=2)
WHILE_SERVER_IS_AWAY = timedelta(seconds=5)

MAILS = Counter("account_mails_total", "Mails that verify and reset, by what became of them", ["purpose", "outcome"])
log = structlog.get_logger(__name__)


async def send_due(runtime: Runtime) -> None:
    """One batch; when there is more, the next follows at once."""
    settings = runtime.settings
    assert isinstance(settings, Settings)
    if not settings.smtp_host:
        return
    async with runtime.database.hot() as connection:
        claimed = await queries.claim(connection, BATCH, HOLD)
    sender = _Sender(runtime.database, runtime.resource(Mailer), settings)
    await all_of(sender.handle(mail) for mail in claimed)
    if len(claimed) == BATCH:
        runtime.jobs.wake(SEND_MAILS.name)


SEND_MAILS = Job("send-account-mails", send_due, every=timedelta(seconds=0.5))


class _Sender:
    def __init__(self, database: Database, mailer: Mailer, settings: Settings) -> None:
        self._database = database
        self._mailer = mailer
        self._settings = settings

    async def handle(self, mail: Claimed) -> None:
        if mail.account_id is None or (mail.purpose == Purpose.VERIFY_EMAIL and mail.email_verified):
            await self._end(mail, "not needed")
        elif utcnow() > mail.created_at + lifetime_of(mail.purpose, self._settings):
            await self._end(mail, "too late")
        else:
            await self._send(mail, mail.account_id)

    async def _send(self, mail: Claimed, account_id: UUID) -> None:
        token, lifetime = new_token(), lifetime_of(mail.purpose, self._settings)
        async with self._database.hot() as connection:
            await queries.keep_token(connection, hash_of(token), account_id, mail.purpose, utcnow() + lifetime)
        try:
            message = compose(mail, token, lifetime, web_url=self._settings.web_url, mail_from=self._mailer.mail_from)
            await self._mailer.send(message, mail.email)
        except (ServerAway, Refused, ValueError) as error:
            async with self._database.hot() as connection:
                await queries.drop_token(connection, hash_of(token))
            await self._failed(mail, error)
        else:
            await self._end(mail, "sent")

    async def _failed(self, mail: Claimed, error: Exception) -> None:
        if isinstance(error, ValueError) or (isinstance(error, Refused) and error.permanent) or _was_last(mail):
            log.warning("account_mail_failed", mail=str(mail.id), purpose=mail.purpose, error=type(error).__name__)
            await self._end(mail, "failed")
            return
        away = isinstance(error, ServerAway)
        wait = WHILE_SERVER_IS_AWAY if away else min(FIRST_RETRY * 2 ** (mail.attempts - 1), LONGEST_RETRY)
        async with self._database.hot() as connection:
            await queries.postpone(connection, mail.id, wait, counts=not away)
        MAILS.labels(mail.purpose, "put off").inc()

    async def _end(self, mail: Claimed, outcome: str) -> None:
        async with self._database.hot() as connection:
            await queries.remove(connection, mail.id)
        MAILS.labels(mail.purpose, outcome).inc()


def _was_last(mail: Claimed) -> bool:
    return mail.attempts >= ATTEMPTS
