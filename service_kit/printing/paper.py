"""A document, independent of how it is rendered: a heading, blocks of text, one long table, sums and notes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table. `width` in millimetres, of 190 in all. Figures are right-aligned and never wrapped."""

    title: str
    width: float
    right: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """Lines of text under a title, such as an address."""

    title: str
    lines: Sequence[str]


@dataclass(frozen=True, slots=True)
class Paper:
    """A document. `summary`: a small table of figures after the long one, its titles first. `sums`: label and figure,
    the last one in bold."""

    title: str
    created_at: datetime
    blocks: Sequence[Block]
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    summary: Sequence[Sequence[str]] = ()
    sums: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = ()

    def texts(self) -> Iterator[str]:
        """Everything that is printed, but for the titles of columns."""
        yield self.title
        for block in self.blocks:
            yield from (block.title, *block.lines)
        for row in (*self.rows, *self.summary, *self.sums, self.notes):
            yield from row
