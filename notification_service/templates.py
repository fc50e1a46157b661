"""The templates of messages, and their filters for amounts, times and addresses."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from notification_service.kinds import Kind
from service_kit.addresses import address_lines

# The currencies of ISO 4217 whose minor unit does not have two digits. CLDR's tables can't be used: for a dozen
# currencies they have the digits that are usual on price tags.
_DIGITS = {
    **dict.fromkeys(["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"], 0),
    **dict.fromkeys(["RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"], 0),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
    **dict.fromkeys(["CLF", "UYW"], 4),
}


def format_amount(money: Mapping[str, Any]) -> str:
    """`{"amount": 123450, "currency": "GBP"}` → `GBP 1,234.50`. It uses integers, which are exact."""
    amount, currency = int(money["amount"]), str(money["currency"])
    digits = _DIGITS.get(currency, 2)
    whole, rest = divmod(abs(amount), 10**digits)
    fraction = f".{rest:0{digits}}" if digits else ""
    return f"{currency} {'-' if amount < 0 else ''}{whole:,}{fraction}"


def moment(value: str) -> str:
    """`2026-11-22T15:04:00Z` → `22 November 2026, 15:04 UTC`."""
    return f"{datetime.fromisoformat(value).astimezone(UTC):%-d %B %Y, %H:%M} UTC"


def one_line(text: str) -> str:
    """Replaces line breaks by spaces, since a name with one could imitate a line of the shop's text."""
    return " ".join(text.split())


def _address_rows(ship_to: Mapping[str, str]) -> list[str]:
    return [one_line(row) for row in address_lines(ship_to)]


@cache
def environment() -> Environment:
    """The Jinja environment, with the templates of notifications and of channels."""
    environment = Environment(
        loader=FileSystemLoader(
            [Path(__file__).parent / package / "templates" for package in ("channels", "notifications")]
        ),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(money=format_amount, moment=moment, one_line=one_line, address_rows=_address_rows)
    return environment


class Text(NamedTuple):
    """The title in the inbox, which is the subject of the e-mail, and the text of both."""

    title: str
    body: str


def text_for(kind: Kind, facts: Mapping[str, Any]) -> Text:
    """Renders the template of this kind, which has a block for each, as plain text without escapes."""
    template = environment().get_template(f"{kind.value}.txt")
    context = template.new_context(dict(facts))
    title, body = ("".join(template.blocks[name](context)) for name in ("title", "body"))
    return Text(one_line(title), body.strip())
