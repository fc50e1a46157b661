"""Types of text in requests, and slugs made from text."""

import re
import unicodedata
from typing import Annotated

from pydantic import StringConstraints
from pydantic.functional_validators import AfterValidator

SLUG_LENGTH = 80
WORDS_OF_NAME = "to_tsvector('simple'::regconfig, spaced(name::text))"
"""The indexed expression by which suggestions find categories and families."""


def _storable(text: str) -> str:
    """Raises: ValueError, for NUL and lone surrogates. JSON can contain them, and PostgreSQL's `text` can't."""
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("must not contain NUL characters or lone surrogates")
    return text


Storable = AfterValidator(_storable)
Text = Annotated[str, Storable]
Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\r\n]*$"), Storable
]
Paragraphs = Annotated[str, StringConstraints(strip_whitespace=True, max_length=20_000), Storable]
Sku = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")
]


def slugify(name: str, before: str = "", after: str = "") -> str:
    """`Crème brûlée, 2 pcs.` → `creme-brulee-2-pcs`. Empty if no ASCII letter or digit remains.

    `before` and `after` are texts whose slugs stand beside the name's. Where all of it is too long, the name is cut,
    then `before`: `after` distinguishes names that begin alike.
    """
    end = _hyphenated(after)[:SLUG_LENGTH]
    start = f"{_hyphenated(before)}-{_hyphenated(name)}".strip("-")[: max(0, SLUG_LENGTH - len(end) - 1)]
    return f"{start.strip('-')}-{end}".strip("-")


def _hyphenated(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
