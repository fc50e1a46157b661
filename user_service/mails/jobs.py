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
from user_service.accounts import queries as accounts
from user_service.emails import EmailAddress
from user_service.mails import queries
from user_service.mails.models import Purpose
from user_service.mails.queries import Claimed
from user_service.mails.use_cases import MAILS_ASKED_FOR, hash_of, lifetime_of, new_token
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


SEND_MAILS = Job("send-account-mails", send_due, every=timedelta(seconds=0.5), woken_by=MAILS_ASKED_FOR)


class _Sender:
    def __init__(self, database: Database, mailer: Mailer, settings: Settings) -> None:
        self._database = database
        self._mailer = mailer
        self._settings = settings

    async def handle(self, mail: Claimed) -> None:
        if mail.account_id is None or _is_pointless(mail):
            await self._end(mail, "not needed")
        elif mail.purpose.is_notice and not mail.email_verified:
            await self._end(mail, "not verified")  # the address may be a stranger's, to whom nothing else is mailed
        elif utcnow() > mail.created_at + lifetime_of(mail.purpose, self._settings):
            await self._end(mail, "too late")
        else:
            await self._send(mail, mail.account_id)

    async def _send(self, mail: Claimed, account_id: UUID) -> None:
        purpose, lifetime = await self._purpose(mail, account_id), lifetime_of(mail.purpose, self._settings)
        token = None if purpose.is_notice else new_token()
        if token is not None:
            async with self._database.hot() as connection:
                kept = await queries.keep_token(connection, hash_of(token), mail.id, account_id, utcnow() + lifetime)
            if not kept:
                await self._end(mail, "not needed")
                return
        web_url, mail_from = self._settings.web_url, self._mailer.mail_from
        try:
            message = compose(mail, purpose, token, lifetime, web_url=web_url, mail_from=mail_from)
            await self._mailer.send(message, mail.email)
        except (ServerAway, Refused, ValueError) as error:
            if token is not None:
                async with self._database.hot() as connection:
                    await queries.drop_token(connection, hash_of(token))
            await self._failed(mail, error)
        else:
            await self._end(mail, "sent")

    async def _purpose(self, mail: Claimed, account_id: UUID) -> Purpose:
        """Whoever asked for an address that another account has is told nothing; the address's owner is."""
        if mail.purpose != Purpose.CHANGE_EMAIL:
            return mail.purpose
        async with self._database.tx() as tx:
            taken = await accounts.is_taken(tx, EmailAddress.of(mail.email), by_other_than=account_id)
        return Purpose.EMAIL_IN_USE if taken else mail.purpose

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


def _is_pointless(mail: Claimed) -> bool:
    """A code for an address that is confirmed already, or that the account has left since the mail was asked for."""
    if mail.purpose == Purpose.VERIFY_EMAIL and mail.email_verified:
        return True
    return mail.purpose in (Purpose.VERIFY_EMAIL, Purpose.RESET_PASSWORD) and mail.email != mail.account_email


def _was_last(mail: Claimed) -> bool:
    return mail.attempts >= ATTEMPTS
