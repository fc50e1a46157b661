"""The order of names, as one text that PostgreSQL compares byte by byte.

It approximates the root of the Unicode collation (CLDR) for names of goods: blanks, then signs, digits and letters.
Accents and case decide between names that are otherwise equal. PostgreSQL's own collations for this need ICU, which not
every database has. docs/decisions/0018 names the differences.
"""

import unicodedata

LONGEST_PART = 200
"""The most characters in each of the key's two parts. A key must fit into an index, even if the name is long."""
_LETTERS = str.maketrans(
    {
        "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "ł": "l", "ŋ": "n", "þ": "th",
        "ŧ": "t", "ƶ": "z", "ɓ": "b", "ɗ": "d", "ƙ": "k", "ɨ": "i", "ʉ": "u",
        **{chr(katakana): chr(katakana - 0x60) for katakana in range(0x30A1, 0x30F7)},
    }
)  # fmt: skip


def sort_key(name: str) -> str:
    """Returns the key of a name. It is never empty, since an empty key marks a row whose key is missing."""
    folded = unicodedata.normalize("NFKD", name).casefold()
    letters = "".join(map(_ordered, unicodedata.normalize("NFKD", folded).translate(_LETTERS)))
    accents = "".join(filter(str.isprintable, unicodedata.normalize("NFC", folded)))
    return f"{' '.join(letters.split())[:LONGEST_PART]}\x01{accents[:LONGEST_PART]}"


def _ordered(character: str) -> str:
    """The character as it is sorted: accents are omitted, and symbols come before all digits and letters."""
    category = unicodedata.category(character)
    if category in ("Mn", "Me", "Cc", "Cf", "Cs"):
        return " " if character.isspace() else ""
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category[0] in "PS":
        return f"!{character}"
    return " " if category[0] == "Z" else character
