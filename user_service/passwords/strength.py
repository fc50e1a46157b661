"""How hard a password is to guess.

As NIST SP 800-63B-4 demands, common and personal passwords are rejected, and no kinds of characters are required.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from service_kit.problems import Problem
from user_service.passwords import guesses

SHORTEST, LONGEST = 8, 128
LEAST_SCORE = 2
"""The lowest accepted score of zxcvbn, from 0 to 4; 2 means more than a million guesses."""
LEAST_OWN_CHARACTERS = 6
"""How many characters of a password must not belong to words about the person or the shop."""
SHOP = ("onlinemart", "online", "mart")
_TOO_NEAR = "It is made of your name, your e-mail address or the shop's name."
_USUAL_ADVICE = "Add another word or two: a few uncommon words are easy to remember and hard to guess."


class PasswordTooWeak(Problem, status=422, type="password-too-weak"):
    """Choose another password. {reason} {advice}"""


@dataclass(frozen=True, slots=True)
class Strength:
    score: int
    """From 0 (among the first guesses) to 4 (practically unguessable)."""
    warning: str = ""
    """Why it is rejected, or could be stronger."""
    suggestions: tuple[str, ...] = ()

    @property
    def acceptable(self) -> bool:
        return self.score >= LEAST_SCORE

    def demand(self) -> None:
        """Raises: PasswordTooWeak."""
        if not self.acceptable:
            detail = " ".join(("Choose another password.", self.warning, *self.suggestions))
            raise PasswordTooWeak(detail, score=self.score, suggestions=list(self.suggestions))


def normalised(password: str) -> str:
    """NFKC, since keyboards encode characters differently. Unpaired surrogates, which UTF-8 can't encode, are
    replaced."""
    return unicodedata.normalize("NFKC", password.encode(errors="replace").decode())


def of_good_length(password: str) -> str:
    """Returns the normalised password. Its length is counted in characters, not bytes. Raises: ValueError."""
    password = normalised(password)
    if not SHORTEST <= len(password) <= LONGEST:
        raise ValueError(f"a password has {SHORTEST} to {LONGEST} characters")
    return password


def assess(password: str, personal: Iterable[str]) -> Strength:
    """`personal`: e-mail address and name of the owner. This is not thread-safe (see `guesses.estimate`)."""
    words = _words(personal)
    if _is_little_more_than(words, password.casefold()):
        return Strength(0, _TOO_NEAR, (_USUAL_ADVICE,))
    estimate = guesses.estimate(password, words)
    found = Strength(estimate.score, estimate.warning, estimate.suggestions)
    if found.acceptable:
        return found
    return Strength(found.score, found.warning or "It is easily guessed.", found.suggestions or (_USUAL_ADVICE,))


def _words(personal: Iterable[str]) -> list[str]:
    """The words of these texts and of the shop's name that a password may be made of, the longest first."""
    found = set(SHOP)
    for text in map(str.casefold, map(normalised, personal)):
        parts = re.findall(r"\w+", text)
        found.update([text, "".join(parts), *parts])
    return sorted((word for word in found if len(word) > 2), key=len, reverse=True)


def _is_little_more_than(words: Iterable[str], password: str) -> bool:
    """Whether the password consists of such words and little else. Blanks and ASCII punctuation don't count."""
    rest = password
    for word in words:
        rest = rest.replace(word, " ")
    return rest != password and len(re.sub(r"[\s!-/:-@\[-`{-~]", "", rest)) < LEAST_OWN_CHARACTERS
