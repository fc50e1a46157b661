"""Filters of lists: rows with a column that contains a text.

Case, accents and Unicode forms are ignored on both sides, and `%`, `_` and `\\` have no special meaning. The database
does this by two functions that a service's migration creates: `fold`, which the index on the column uses too, and
`containing`, which makes a pattern of a text. Use this, and never `LIKE` with a text that came from outside.
"""

from sqlalchemy import Boolean, ColumnElement, String, func, literal, literal_column
from sqlalchemy.dialects.postgresql import TEXT


def contains(folded: str, text: str) -> ColumnElement[bool]:
    """Whether `folded`, the SQL expression of a trigram index (`fold(full_name)`), contains the text."""
    column: ColumnElement[str] = literal_column(folded, String)
    return column.op("LIKE", return_type=Boolean())(func.containing(literal(text, TEXT)))
