"""Sends the mails that are due. No transaction is open while it talks to the mail server.

The token is created when the mail is sent, so that only the mail contains it. After a crash between the server's `250`
and the deletion of the row, a second mail with another token is sent; both tokens are valid until one of them is used.
"""

from datetime import timedelta
from functools import partial
from uuid import UUID

from service_kit.clock import utcnow
from service_kit.database import Database
from service_kit.jobs import Job
from service_kit.mail import MAIL_BACKOFF, Mailer
from service_kit.queue import Worker
from service_kit.runtime import Runtime
from user_service.accounts import queries as accounts
from user_service.base import hash_of, new_token
from user_service.emails import EmailAddress
from user_service.mails import queries
from user_service.mails.models import Purpose
from user_service.mails.queries import Claimed
from user_service.mails.use_cases import MAILS_REQUESTED, enqueue_links, lifetime_of
from user_service.mails.wording import compose
from user_service.settings import Settings


async def send_due(runtime: Runtime) -> bool:
    """Sends one batch. Returns whether more may be due."""
    settings, mailer = runtime.resource(Settings), runtime.resource(Mailer)
    if not settings.smtp_host:
        return False
    handle = partial(_handle, runtime.database, mailer, settings)
    worker = Worker(queries.QUEUE, MAIL_BACKOFF, queries.claim, handle, queries.finish, mailer.size)
    return await worker.run(runtime.database)


SEND_MAILS = Job("send-account-mails", send_due, every=timedelta(seconds=0.5), woken_by=MAILS_REQUESTED)


async def _handle(database: Database, mailer: Mailer, settings: Settings, mail: Claimed) -> str:
    """Sends the mail, unless it has become needless. Returns the outcome. Raises: what `Mailer.send` raises."""
    lifetime = lifetime_of(mail.purpose, settings)
    if mail.purpose == Purpose.GUEST_LINKS:
        async with database.session() as tx:
            await enqueue_links(tx, EmailAddress.of(mail.email))
        return "replaced by a mail to each guest"
    if mail.account_id is None or _is_obsolete(mail):
        return "not needed"
    if mail.purpose.is_notice and not mail.email_verified:
        return "not verified"  # an unconfirmed address may belong to a stranger, who must not get notices
    if utcnow() > mail.created_at + lifetime:
        return "too late"
    purpose = await _purpose(database, mail, mail.account_id)
    token = None if purpose.is_notice else new_token()
    if token is not None:
        async with database.connection() as connection:
            if not await queries.keep_token(connection, hash_of(token), mail.id, mail.account_id, utcnow() + lifetime):
                return "not needed"
    try:
        message = compose(mail, purpose, token, lifetime, web_url=settings.web_url, mail_from=mailer.mail_from)
        await mailer.send(message, mail.email)
    except Exception:
        if token is not None:
            async with database.connection() as connection:
                await queries.drop_token(connection, hash_of(token))
        raise
    return "sent"


async def _purpose(database: Database, mail: Claimed, account_id: UUID) -> Purpose:
    """The mail's purpose; EMAIL_IN_USE, if another account has the address that is to be confirmed."""
    if mail.purpose != Purpose.CHANGE_EMAIL:
        return mail.purpose
    async with database.session() as tx:
        taken = await accounts.is_taken(tx, EmailAddress.of(mail.email), by_other_than=account_id)
    return Purpose.EMAIL_IN_USE if taken else mail.purpose


def _is_obsolete(mail: Claimed) -> bool:
    """Whether the address is confirmed already, or is not the account's any more."""
    if mail.purpose == Purpose.VERIFY_EMAIL and mail.email_verified:
        return True
    to_present_address = (Purpose.VERIFY_EMAIL, Purpose.RESET_PASSWORD, Purpose.GUEST_LINK)
    return mail.purpose in to_present_address and mail.email != mail.account_email
