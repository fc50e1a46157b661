"""Parses a search text: words, `"phrases"`, and `-words` that must not occur."""

import re
import unicodedata
from dataclasses import dataclass

# Chinese, Japanese and Korean have no blanks between words, so each of their characters is searched as a word.
_BY_CHARACTER = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]")
_TERM = re.compile(r'(?P<minus>-?)"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+)')
_QUOTES = str.maketrans(dict.fromkeys("“”„‟«»", '"'))


@dataclass(frozen=True, slots=True)
class Term:
    """A word or a phrase."""

    text: str
    is_phrase: bool = False
    is_unwanted: bool = False

    @property
    def by_character(self) -> bool:
        return _BY_CHARACTER.search(self.text) is not None

    @property
    def is_exact(self) -> bool:
        """Whether it must, or must not, occur as a phrase of English words."""
        return (self.is_phrase or self.is_unwanted) and not self.by_character

    @property
    def is_operator(self) -> bool:
        """Whether it must be met exactly, unlike other words, which may be misspelt."""
        return self.by_character or self.is_phrase or self.is_unwanted


@dataclass(frozen=True, slots=True)
class Search:
    """A normalised search text, and its terms."""

    typed: str
    terms: tuple[Term, ...]

    @property
    def has_alternatives(self) -> bool:
        """Whether it contains `this or that`. PostgreSQL then parses the whole text."""
        return any(term.text.lower() == "or" and not term.is_phrase for term in self.terms[1:-1])

    @property
    def wanted(self) -> str:
        """The text that results are ranked by."""
        return " ".join(term.text for term in self.terms if not term.is_unwanted) or self.typed


def parse(typed: str) -> Search:
    text = unicodedata.normalize("NFKC", typed).translate(_QUOTES)
    return Search(text, tuple(term for found in _TERM.finditer(text) if (term := _term(found)) is not None))


def _term(found: re.Match[str]) -> Term | None:
    """The term; None if it has neither letters nor digits."""
    if (word := found["word"]) is not None:
        term = Term(word.removeprefix("-"), is_unwanted=word.startswith("-"))
    else:
        term = Term(found["phrase"], is_phrase=True, is_unwanted=bool(found["minus"]))
    return term if re.search(r"\w", term.text) else None
