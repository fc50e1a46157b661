"""A delivery as an e-mail: text and HTML from the templates beside this file."""

from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from functools import cache
from pathlib import Path
from uuid import UUID

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from notification_service.deliveries.queries import Claimed
from notification_service.notifications.money import in_words
from notification_service.notifications.wording import moment


def compose(delivery: Claimed, *, mail_from: str, domain: str) -> EmailMessage:
    """Raises: ValueError, for an address that none can be sent to.

    Date and id come from the event, so that a message that is sent again is the same message.
    """
    full_name = " ".join(delivery.full_name.split())
    context = {
        "title": delivery.title,
        "body": delivery.body,
        "facts": delivery.facts,
        "full_name": full_name,
    }
    message = EmailMessage()
    message["Message-ID"] = message_id(delivery.event_id, delivery.channel, domain)
    message["Date"] = format_datetime(delivery.happened_at)
    message["From"] = mail_from
    message["To"] = str(Address(display_name=full_name, addr_spec=delivery.address))
    message["Subject"] = delivery.title
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(_environment().get_template("mail.txt").render(context))
    message.add_alternative(_environment().get_template("mail.html").render(context), subtype="html")
    return message


def message_id(event_id: UUID, channel: str, domain: str) -> str:
    return f"<{event_id}.{channel}@{domain}>"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(money=in_words, moment=moment)
    return environment
