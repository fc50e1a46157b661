"""The order of names, in one text that PostgreSQL compares byte by byte.

It follows the root of the Unicode collation (CLDR) as far as names of goods show it: blanks, then signs, digits and
letters; accents and case decide between names that are equal but for them. The database has no ICU to do it.
docs/decisions/0018 says where it differs.
"""

import unicodedata

LONGEST_PART = 200
"""Characters of each of its two parts, so that the key fits into an index, whatever the name expands to."""
_LETTERS = str.maketrans(
    {
        "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "ł": "l", "ŋ": "n", "þ": "th",
        "ŧ": "t", "ƶ": "z", "ɓ": "b", "ɗ": "d", "ƙ": "k", "ɨ": "i", "ʉ": "u",
        **{chr(katakana): chr(katakana - 0x60) for katakana in range(0x30A1, 0x30F7)},
    }
)  # fmt: skip


def sort_key(name: str) -> str:
    """Never empty."""
    folded = unicodedata.normalize("NFKD", name).casefold()
    letters = "".join(map(_ordered, unicodedata.normalize("NFKD", folded).translate(_LETTERS)))
    accents = "".join(filter(str.isprintable, unicodedata.normalize("NFC", folded)))
    return f"{' '.join(letters.split())[:LONGEST_PART]}\x01{accents[:LONGEST_PART]}"


def _ordered(character: str) -> str:
    """An accent is left out, and a sign comes before all digits and letters."""
    category = unicodedata.category(character)
    if category in ("Mn", "Me", "Cc", "Cf", "Cs"):
        return " " if character.isspace() else ""
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category[0] in "PS":
        return f"!{character}"
    return " " if category[0] == "Z" else character
