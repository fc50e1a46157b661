"""What was meant by a search that finds little."""

from product_service.search.conditions import Criteria, words_of
from product_service.vocabulary import queries
from service_kit.database import Transaction

FEW = 3
"""If fewer products than this were found, the search may be misspelt."""


async def did_you_mean(tx: Transaction, criteria: Criteria) -> str | None:
    """The search text with words of the catalogue instead of unknown ones; None if there is none to replace."""
    search = criteria.filters.search
    if search is None or not criteria.words:
        return None
    words = words_of(search)
    text = search.typed
    for word, better in zip(words, await queries.correct(tx, words), strict=True):
        text = text.replace(word, better, 1)
    return text if text != search.typed else None
