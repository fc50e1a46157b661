"""A delivery as an e-mail: text and HTML from the templates beside this file."""

import re
from collections.abc import Mapping
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import format_datetime, formataddr
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from notification_service.deliveries.queries import Claimed
from notification_service.notifications.money import in_words
from notification_service.notifications.wording import moment

_ADDRESS = re.compile(r"""[^\s<>()\[\]\\,;:@"]+@[^\s<>()\\,;@"]+""")


def compose(delivery: Claimed, *, mail_from: str, domain: str) -> MIMEMultipart:
    """Raises: ValueError, for an address that nothing can be sent to.

    Date and id come from the event, so that a message that is sent again is the same message. The older classes of
    `email` are used because they take a tenth of the time; that no header ends early is seen to here.
    """
    if not _ADDRESS.fullmatch(delivery.address):
        raise ValueError("it is no e-mail address")
    full_name = " ".join(delivery.full_name.split())
    context = {"title": delivery.title, "body": delivery.body, "facts": delivery.facts, "full_name": full_name}
    message = MIMEMultipart("alternative")
    message["Message-ID"] = message_id(delivery.event_id, delivery.channel, domain)
    message["Date"] = format_datetime(delivery.happened_at)
    message["From"] = mail_from
    message["To"] = _recipient(full_name, delivery.address)
    message["Subject"] = " ".join(delivery.title.split())
    message["Auto-Submitted"] = "auto-generated"
    message.attach(MIMEText(_environment().get_template("mail.txt").render(context), "plain", "utf-8"))
    message.attach(MIMEText(_environment().get_template("mail.html").render(context), "html", "utf-8"))
    return message


def _recipient(full_name: str, address: str) -> str:
    if address.isascii():
        return formataddr((full_name, address))
    return Header(address, "utf-8").encode()  # on the envelope it stands as it is


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
    environment.filters.update(money=in_words, moment=moment, one_line=one_line)
    environment.filters.update(unit_price=_unit_price, line_total=_line_total, address_rows=_address_rows)
    return environment


def one_line(text: str) -> str:
    """A name can't begin a line of its own, which could say what the shop never said."""
    return " ".join(text.split())


def _unit_price(line: Mapping[str, Any], total: Mapping[str, Any]) -> str:
    return in_words({"amount": line["unit_price"], "currency": total["currency"]})


def _line_total(line: Mapping[str, Any], total: Mapping[str, Any]) -> str:
    return in_words({"amount": line["unit_price"] * line["quantity"], "currency": total["currency"]})


def _address_rows(ship_to: Mapping[str, str]) -> list[str]:
    """As it stands on the parcel."""
    city = " ".join(filter(None, (ship_to.get("postal_code"), ship_to["city"])))
    rows = [
        *(ship_to["name"], ship_to.get("company"), ship_to["line1"], ship_to.get("line2"), city),
        *(ship_to.get("region"), ship_to["country"]),
    ]
    return [one_line(row) for row in rows if row]
