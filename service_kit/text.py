"""What a line of text in a request may hold: the one place for names, addresses and labels.

Name = Annotated[str, Trimmed(200), Printable]
"""

import re
import unicodedata

from pydantic import AfterValidator, StringConstraints

# Controls, what separates lines, what changes the direction of writing, and what takes no room when it is shown: two
# texts that look the same must be the same, and a label printer or a console must not be steered by one.
_REJECTED = (
    r"[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200e\u200f\u2028-\u202e"
    r"\u2060-\u206f\u2800\u3164\ud800-\udfff\ufeff\uffa0\ufff9-\uffff\U000e0000-\U000e007f]"
)
# The zero-width joiners are letters' business in Arabic and Indic scripts (Persian names need them), and nobody else's.
_LETTER = r"[\u0600-\u109f\u1780-\u17ff\u1b00-\u1bff]"
_JOINERS = rf"(?<!{_LETTER})[\u200c\u200d]|[\u200c\u200d](?!{_LETTER})"
_UNPRINTABLE = re.compile(f"{_REJECTED}|{_JOINERS}")


def _printable(text: str) -> str:
    if text.isascii() and text.isprintable():  # as most are: fifty times as fast as to search them
        return text
    if found := _UNPRINTABLE.search(text):
        code = f"U+{ord(found[0]):04X}"
        name = unicodedata.name(found[0], "a control character").lower()
        raise ValueError(f"must not contain control or zero-width characters; remove {code} ({name})")
    return text


def Trimmed(max_length: int, *, min_length: int = 1) -> StringConstraints:  # noqa: N802 (stands where a type does)
    """Without the blanks around it; neither empty nor blank."""
    return StringConstraints(strip_whitespace=True, min_length=min_length, max_length=max_length)


Printable = AfterValidator(_printable)
