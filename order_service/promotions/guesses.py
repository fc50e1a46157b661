"""Limits how many unknown codes an account or a client network can enter, so that nobody finds codes by trying.

The caller checks before it looks codes up, and records those that it did not find. Requests that are checked before
the first of them has recorded its guesses are all answered: so many, and no more, as a process handles at once.
"""

import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from order_service.pricing.promotions import PromotionUnusable, Reason
from order_service.promotions import queries
from order_service.settings import Settings
from service_kit.clock import utcnow
from service_kit.database import AnySession
from service_kit.problems import Problem
from service_kit.rate_limit import rate_limit_headers

WINDOW = timedelta(minutes=15)


class TooManyCodeGuesses(Problem, status=429, type="too-many-code-guesses"):
    """Too many unknown codes were entered: try again in {seconds} seconds, or order without a code."""


@dataclass(frozen=True, slots=True)
class Guesser:
    """Whose guesses are counted: each of `keys` can make `most` of them."""

    keys: tuple[str, ...]
    most: int

    @classmethod
    def of(cls, settings: Settings, account_id: UUID, network: str | None) -> "Guesser | None":
        """`network`: as `client_network` names it. None: guesses are not limited."""
        if not settings.limits or not settings.unknown_codes:
            return None
        keys = (f"account:{account_id}", *([f"network:{network}"] if network else []))
        return cls(keys, settings.unknown_codes)


async def check(db: AnySession, who: Guesser | None) -> None:
    """Raises: TooManyCodeGuesses, with the time until the next guess is allowed."""
    if who is None:
        return
    now = utcnow()
    since = await queries.limit_reached_since(db, who.keys, now - WINDOW, who.most)
    if since is not None:
        seconds = max(1, math.ceil((since + WINDOW - now).total_seconds()))
        headers = rate_limit_headers("unknown-codes", who.most, seconds, window=int(WINDOW.total_seconds()))
        raise TooManyCodeGuesses(seconds=seconds, retry_after=seconds, headers=headers)


async def record(db: AnySession, who: Guesser | None, count: int) -> None:
    """Counts unknown codes. It must be committed even if the request is rejected."""
    if who is not None and count:
        await queries.ADD_GUESSES.execute(db, keys=list(who.keys), count=count)


@asynccontextmanager
async def limited(db: AnySession, who: Guesser | None) -> AsyncIterator[None]:
    """Checks before the block, and counts the unknown codes that it is rejected for. Raises: TooManyCodeGuesses."""
    await check(db, who)
    try:
        yield
    except PromotionUnusable as problem:
        await record(db, who, unknown_in([problem.body()]))
        raise


def unknown_in(problems: Sequence[Mapping[str, Any]]) -> int:
    """How many unknown codes these bodies of problems name."""
    return sum(each["reason"] == Reason.UNKNOWN for body in problems for each in body.get("codes", ()))
