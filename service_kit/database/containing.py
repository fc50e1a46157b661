"""Lists that are narrowed by a text which a column contains.

Case, accents and the form of a character count on neither side, and `%`, `_` and `\\` mean themselves. The database
does all of it, by two functions that a service's migration makes: `fold`, which the index on the column uses too, and
`containing`, which makes a pattern of a text. Use this, and never `LIKE` with a text that came from outside.
"""

from sqlalchemy import Boolean, ColumnElement, String, func, literal, literal_column
from sqlalchemy.dialects.postgresql import TEXT


def contains(folded: str, text: str) -> ColumnElement[bool]:
    """Whether `folded`, the SQL expression of a trigram index (`fold(full_name)`), contains the text."""
    column: ColumnElement[str] = literal_column(folded, String)
    return column.op("LIKE", return_type=Boolean())(func.containing(literal(text, TEXT)))
