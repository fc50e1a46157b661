"""The kinds of violations, and comparisons that report them."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    LOST = "lost"
    DUPLICATED = "duplicated"
    OVERSOLD = "oversold"
    STUCK = "stuck"
    OTHER = "other"


@dataclass(frozen=True)
class Violation:
    kind: Kind
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


Found = Iterator[Violation]


def kind_of(count: int, wanted: int) -> Kind:
    if count == wanted:
        return Kind.OTHER
    return Kind.LOST if count < wanted else Kind.DUPLICATED


def same(what: str, ours: dict[str, Any], theirs: dict[str, Any]) -> Found:
    """`theirs` are the expected values. Counts show whether a value is missing or duplicated."""
    for key in ours.keys() | theirs.keys():
        one, other = ours.get(key), theirs.get(key)
        if one != other:
            counts = all(isinstance(each, int | None) for each in (one, other))
            kind = kind_of(one or 0, other or 0) if counts else Kind.OTHER
            yield Violation(kind, f"{what} {key}: {one}, should be {other}")
