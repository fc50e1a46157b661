"""Estimates, with zxcvbn and in bounded time, how many guesses a password takes.

zxcvbn's time grows with the square of the length, and with the number of ways to read symbols as letters ("l33t"). So
it gets pieces of the password. A piece takes at most as many guesses as the whole, so the strongest piece decides.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

PIECE = 48
MAX_READINGS = 4
_STRONGEST_SCORE = 4
_SCORES = (10**3, 10**6, 10**8, 10**10)
"""zxcvbn's limits. The score is the number of limits that the guesses exceed (by 5, as in zxcvbn)."""
# The symbols that zxcvbn reads as letters. It tries each combination of one symbol for each letter.
_SYMBOLS_OF = {
    "a": "4@", "b": "8", "c": "({[<", "e": "3", "g": "69", "i": "1!|", "l": "1|7", "o": "0", "s": "$5", "t": "+7",
    "x": "%", "z": "2",
}  # fmt: skip
_LETTERS = str.maketrans({sign: letter for letter, signs in reversed(_SYMBOLS_OF.items()) for sign in signs})
_WITHOUT_SHIFT = str.maketrans('!@#$%^&*()_+{}|:"<>?', "1234567890-=[]\\;',./")
SHIFT_PATTERNS = 5
"""Multiplies the guesses, for the ways to use the shift key: for all characters, every second one, each word …"""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A result of zxcvbn."""

    guesses: float
    warning: str = ""
    suggestions: tuple[str, ...] = ()

    @property
    def score(self) -> int:
        """From 0 (among the first guesses) to 4 (practically unguessable)."""
        return sum(self.guesses >= limit + 5 for limit in _SCORES)

    def times(self, guesses: float) -> "Estimate":
        return Estimate(self.guesses * guesses, self.warning, self.suggestions)


def estimate(password: str, words: Sequence[str]) -> Estimate:
    """`words`: known facts about the owner. This is not thread-safe: zxcvbn stores them in a global dictionary."""
    strongest = Estimate(0)
    for start in range(0, len(password), PIECE):
        strongest = max(strongest, _of_piece(password[start : start + PIECE], words), key=lambda found: found.guesses)
        if strongest.score == _STRONGEST_SCORE:
            break
    return strongest


def _of_piece(piece: str, words: Sequence[str]) -> Estimate:
    """The lowest of several estimates: as it is, without the shift key, and as two texts of every second character.

    To zxcvbn, `1q2w3e4r5t` is one keyboard path with many turns, hard to guess. In fact it is two straight paths.
    """
    ways = [_of_text(piece, words)]
    if (typed := piece.lower().translate(_WITHOUT_SHIFT)) != piece:
        ways.append(_of_text(typed, words).times(SHIFT_PATTERNS))
    if len(typed) > 3:
        runs = [_of_text(typed[first::2], words) for first in (0, 1)]
        ways.append(runs[0].times(runs[1].guesses * (1 if typed == piece else SHIFT_PATTERNS)))
    return min(ways, key=lambda found: found.guesses)


def _of_text(text: str, words: Sequence[str]) -> Estimate:
    """If symbols can be read in too many ways: the lower estimate of the text with letters instead and of its parts."""
    if _readings(text) <= MAX_READINGS:
        return _zxcvbn(text, words)
    parts = [_zxcvbn(part, words) for part in _parts(text)]
    whole = _zxcvbn(text.translate(_LETTERS), words)
    return min(whole, parts[0].times(math.prod(part.guesses for part in parts[1:])), key=lambda found: found.guesses)


def _readings(text: str) -> int:
    return math.prod(max(1, len(set(signs).intersection(text))) for signs in _SYMBOLS_OF.values())


def _parts(text: str) -> list[str]:
    """The longest parts that can each be read in few ways."""
    parts = [text[0]]
    for character in text[1:]:
        if _readings(parts[-1] + character) <= MAX_READINGS:
            parts[-1] += character
        else:
            parts.append(character)
    return parts


def _zxcvbn(text: str, words: Sequence[str]) -> Estimate:
    from zxcvbn import zxcvbn  # takes 14 MiB, so only processes that need it import it

    found = zxcvbn(text, user_inputs=list(words))
    feedback = found["feedback"]
    return Estimate(float(found["guesses"]), feedback["warning"] or "", tuple(feedback["suggestions"]))
