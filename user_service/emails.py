"""The normal form of an e-mail address, however it was typed.

Code that compares, counts or looks up addresses takes an `EmailAddress`, never a `str`, so that no caller can forget to
normalise. The database compares by the same rule (`KEY`), and enforces it by a unique index.
"""

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Any

import idna
from pydantic import EmailStr, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

# Pasted addresses often have invisible characters around them: whitespace of all kinds, and zero-width characters.
_AROUND = re.compile("^[\\s\u00ad\u200b-\u200f\u2060\ufeff]+|[\\s\u00ad\u200b-\u200f\u2060\ufeff]+$")
KEY = "lower(normalize({}, NFKC))"
"""SQL that gives one value for all spellings of an address, from `EmailAddress.text`. It has a unique index."""


@dataclass(frozen=True, slots=True)
class EmailAddress:
    """An address without whitespace around it, in lower case and NFC, its domain in Unicode (not punycode)."""

    text: str
    """The form that is stored, shown and mailed to."""
    typed: str = field(compare=False)
    """The text as it was typed, in lower case. It selects one of several accounts whose addresses collide."""

    @classmethod
    def of(cls, typed: str) -> "EmailAddress":
        """Normalises a text. It never fails: an invalid address is kept as a text that no account has."""
        local, at, domain = _lower(_AROUND.sub("", typed)).rpartition("@")
        return cls(_lower(f"{local}{at}{_unicode(domain)}"), typed.lower())

    @property
    def key(self) -> str:
        """One value for all spellings, also for characters that only look alike (`ﬁ` and `fi`, full and half width)."""
        return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", self.text).lower())

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Request bodies are validated: unlike `of`, this rejects an invalid address, with an error that says why."""
        trimmed = core_schema.no_info_before_validator_function(
            lambda typed: _AROUND.sub("", typed) if isinstance(typed, str) else typed, handler.generate_schema(EmailStr)
        )
        return core_schema.no_info_after_validator_function(cls.of, trimmed)


def _lower(text: str) -> str:
    return unicodedata.normalize("NFC", text.lower())


def _unicode(domain: str) -> str:
    """The normal form of a domain (UTS 46); unchanged if it is invalid."""
    if domain.isascii() and "xn--" not in domain:
        return domain.removesuffix(".")
    try:
        return idna.decode(idna.encode(domain, uts46=True)).removesuffix(".")
    except (idna.IDNAError, UnicodeError):
        return domain
