"""Notifications as e-mails: text and HTML from the templates beside this file."""

import re
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import format_datetime, formataddr

from notification_service.channels.channel import Channel, ChannelName, Message
from notification_service.kinds import Kind
from notification_service.templates import environment, one_line, text_for
from service_kit.mail import MAIL_BACKOFF, Mailer
from service_kit.queue import PermanentFailure
from service_kit.runtime import Runtime

NOT_VERIFIED = "the address is not verified"
"""Why a delivery is withheld until its recipient confirms the address."""

# No e-mail asks for the payment of an order that is paid automatically (see `facts_of`). If several payments in a row
# fail, only the first failure is mailed, until the customer pays or places an order. The inbox has all of them.
_CONDITION = """
NOT added.pays_by_itself AND (added.kind <> 'payment.failed' OR (
    SELECT before.kind FROM (
        SELECT kind, created_at, id FROM notifications WHERE customer_id = added.customer_id
        UNION ALL
        SELECT kind, created_at, id FROM added AS others WHERE others.customer_id = added.customer_id
    ) AS before
    WHERE before.kind IN ('payment.failed', 'order.placed', 'order.paid')
      AND (before.created_at, before.id) < (added.created_at, added.id)
    ORDER BY before.created_at DESC, before.id DESC LIMIT 1
) IS DISTINCT FROM 'payment.failed')
"""
FREE_TEXT = {Kind.ORDER_PLACED: ("ship_to",), Kind.ORDER_CANCELLED: ("reason",)}
"""What customers write themselves: not for unconfirmed addresses, or anyone could send spam to strangers."""
_ADDRESS = re.compile(r"""[^\s<>()\[\]\\,;:@"]+@[^\s<>()\\,;@"]+""")


async def _send(runtime: Runtime, message: Message) -> None:
    mailer = runtime.resource(Mailer)
    await mailer.send(compose(message, mail_from=mailer.mail_from, domain=mailer.mail_domain), message.address)


EMAIL = Channel(
    name=ChannelName.EMAIL,
    condition=_CONDITION,
    address="recipient.email",
    withheld=f"CASE WHEN NOT (recipient.email_verified OR recipient.guest) THEN '{NOT_VERIFIED}' END",
    disabled_kinds="email_off",
    backoff=MAIL_BACKOFF,
    concurrency=lambda runtime: runtime.resource(Mailer).size,
    send=_send,
)


def compose(message: Message, *, mail_from: str, domain: str) -> MIMEMultipart:
    """Renders the e-mail. Raises: PermanentFailure, if the address is not valid.

    Date and id come from the event, so that a mail that is sent again has the same ones. The older classes of `email`
    take a tenth of the time. They don't reject line breaks in headers, so this function removes them.
    """
    if not _ADDRESS.fullmatch(message.address):
        raise PermanentFailure("the address can't be used: it is no e-mail address")
    full_name = one_line(message.full_name)
    body, facts = message.body, message.facts
    if not message.email_verified:  # a guest's, which may be a stranger's
        kind = Kind(message.kind)
        facts = {name: fact for name, fact in facts.items() if name not in FREE_TEXT.get(kind, ())}
        body = text_for(kind, facts).body
    context = {"title": message.title, "body": body, "facts": facts, "full_name": full_name}
    mail = MIMEMultipart("alternative")
    mail["Message-ID"] = f"<{message.event_id}.{ChannelName.EMAIL}@{domain}>"
    mail["Date"] = format_datetime(message.happened_at)
    mail["From"] = mail_from
    mail["To"] = _recipient(full_name, message.address)
    mail["Subject"] = one_line(message.title)
    mail["Auto-Submitted"] = "auto-generated"
    mail.attach(MIMEText(environment().get_template("mail.txt").render(context), "plain", "utf-8"))
    mail.attach(MIMEText(environment().get_template("mail.html").render(context), "html", "utf-8"))
    return mail


def _recipient(full_name: str, address: str) -> str:
    if address.isascii():
        return formataddr((full_name, address))
    return Header(address, "utf-8").encode()  # the SMTP envelope has the address unencoded
