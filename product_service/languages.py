"""Chooses the language of a response from `Accept-Language` (RFC 9110, section 12.5.4)."""

import re
from collections.abc import Sequence
from functools import lru_cache

from fastapi import Request

from product_service.settings import Settings

_RANGE = re.compile(r"\s*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*|\*)\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?))?\s*")


def language_of(request: Request) -> str | None:
    """The language that a request prefers among the shop's; None: that of the main texts."""
    accepted = request.headers.get("accept-language")
    if not accepted:
        return None
    locales = request.app.state.runtime.resource(Settings).locales
    found = negotiate(accepted, locales)
    return found if found != locales[0] else None


@lru_cache(maxsize=1024)
def negotiate(accepted: str, locales: Sequence[str]) -> str:
    """One of `locales`: the one with the highest weight, or the first if none is accepted. `de-AT` is content with
    `de`, and `de` with `de-AT`. What is malformed is ignored."""
    ranges = filter(None, map(_RANGE.fullmatch, accepted.split(",")))
    wanted = [(float(each[2] or 1), each[1].lower()) for each in ranges]
    for weight, tag in sorted(wanted, key=lambda each: -each[0]):
        if tag == "*":
            break
        if weight and (found := _match(tag, locales)):
            return found
    return locales[0]


def _match(tag: str, locales: Sequence[str]) -> str | None:
    """The same language as it is spoken in the same country, or in any."""
    exact = (locale for locale in locales if locale.lower() == tag)
    similar = (locale for locale in locales if locale.partition("-")[0] == tag.partition("-")[0])
    return next(exact, None) or next(similar, None)
