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

# Invisible characters around an address that was pasted: whitespace of all kinds, and characters without width.
_AROUND = re.compile("^[\\s\u00ad\u200b-\u200f\u2060\ufeff]+|[\\s\u00ad\u200b-\u200f\u2060\ufeff]+$")
KEY = "lower(normalize({}, NFKC))"
"""SQL: the same value for all spellings of an address, given `EmailAddress.text`. It has a unique index."""


@dataclass(frozen=True, slots=True)
class EmailAddress:
    """An address without whitespace around it, in lower case and NFC, its domain in Unicode (not punycode)."""

    text: str
    """The form that is stored, shown and mailed to."""
    typed: str = field(compare=False)
    """The text before it was normalised: it selects one of several accounts whose addresses collide."""

    @classmethod
    def of(cls, typed: str) -> "EmailAddress":
        """Never fails: an invalid address is a text that no account has."""
        local, at, domain = _lower(_AROUND.sub("", typed)).rpartition("@")
        return cls(_lower(f"{local}{at}{_unicode(domain)}"), typed.lower())

    @property
    def key(self) -> str:
        """The same for all spellings, also for those that only look alike (`ﬁ` and `fi`, full width and half width)."""
        return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", self.text).lower())

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """In a request's body an invalid address is an error that explains what is wrong with it."""
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
