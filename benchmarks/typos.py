"""Misspelt names of the data set's products, and how often a search finds the right product nevertheless."""

import random
import re
import string
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from benchmarks.goods import goods

SEED = 17
PLACES = 3
"""The right product must be among the first ones, as many as this."""
_LONG_WORD = re.compile(r"[A-Za-z]{5,}")

Ask = Callable[[str], Awaitable[list[str]]]
"""Returns the names of the first products that are found for a text."""


@dataclass(frozen=True)
class Typo:
    name: str
    typed: str


@dataclass(frozen=True)
class Found:
    """How many of the names were found, and the typos for which they weren't."""

    count: int
    missed: list[Typo]

    @property
    def share(self) -> float:
        return 1 - len(self.missed) / self.count


def typos(count: int, seed: int = SEED) -> Iterator[Typo]:
    """`count` different names, each with one random edit (insert, delete, replace, swap) in a word of five letters or
    more. Different products of the data set may have one name."""
    draw = random.Random(seed)
    names = sorted({good.name for good in goods() if _LONG_WORD.search(good.name)})
    for name in draw.sample(names, count):
        word = draw.choice(list(_LONG_WORD.finditer(name)))
        yield Typo(name, name[: word.start()] + edited(word[0], draw) + name[word.end() :])


def edited(word: str, draw: random.Random) -> str:
    """The word after one edit, which changes it."""
    while True:
        at, letter = draw.randrange(len(word)), draw.choice(string.ascii_uppercase)
        inserted, deleted, replaced = f"{letter}{word[at:]}", word[at + 1 :], f"{letter}{word[at + 1 :]}"
        swapped = f"{word[at + 1 : at + 2]}{word[at]}{word[at + 2 :]}"
        changed = word[:at] + draw.choice((inserted, deleted, replaced, swapped))
        if changed != word:
            return changed


async def found(ask: Ask, count: int) -> Found:
    """Searches for `count` misspelt names."""
    every = list(typos(count))
    answers = [await ask(typo.typed) for typo in every]
    missed = [typo for typo, names in zip(every, answers, strict=True) if typo.name not in names[:PLACES]]
    return Found(count, missed)
