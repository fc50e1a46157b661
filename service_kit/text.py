"""The rules for a line of text in a request: names, addresses and labels.

Name = Annotated[str, Trimmed(200), Printable]
"""

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

# Control characters, line separators, and characters that change the writing direction or are invisible: texts that
# look equal must be equal, and a text must not control a label printer or a console.
_REJECTED = (
    r"[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200e\u200f\u2028-\u202e"
    r"\u2060-\u206f\u2800\u3164\ud800-\udfff\ufeff\uffa0\ufff9-\uffff\U000e0000-\U000e007f]"
)
# Zero-width joiners are allowed between letters of Arabic and Indic scripts only (Persian names need them).
_LETTER = r"[\u0600-\u109f\u1780-\u17ff\u1b00-\u1bff]"
_JOINERS = rf"(?<!{_LETTER})[\u200c\u200d]|[\u200c\u200d](?!{_LETTER})"
_UNPRINTABLE = re.compile(f"{_REJECTED}|{_JOINERS}")


def _printable(text: str) -> str:
    if text.isascii() and text.isprintable():  # true for most texts, and fifty times as fast as the search
        return text
    if found := _UNPRINTABLE.search(text):
        code = f"U+{ord(found[0]):04X}"
        name = unicodedata.name(found[0], "a control character").lower()
        raise ValueError(f"must not contain control or zero-width characters; remove {code} ({name})")
    return text


def Trimmed(max_length: int, *, min_length: int = 1) -> StringConstraints:  # noqa: N802 (stands where a type does)
    """Strips the blanks around a text, which may be neither empty nor blank."""
    return StringConstraints(strip_whitespace=True, min_length=min_length, max_length=max_length)


Printable = AfterValidator(_printable)
LOCALE = r"^[a-z]{2,3}(-[A-Z]{2})?$"
Locale = Annotated[str, StringConstraints(pattern=LOCALE)]
"""A language, or a language as it is spoken in a country: `de`, `de-AT`."""
