"""The settings of the product service."""

import re
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from service_kit.settings import CommaSeparated, Count, ServiceSettings
from service_kit.text import LOCALE


def _locales(values: Sequence[str]) -> Sequence[str]:
    """Raises: ValueError."""
    if not values or not all(re.match(LOCALE, each) for each in values) or len(set(values)) < len(values):
        raise ValueError("must be different languages, separated by commas, as in: en,de,fr-CA")
    return values


class Settings(ServiceSettings, service="product"):
    port: int = 8003
    operations_port: int = 18003
    fetch_max_wait_ms: int = 100
    locales: Annotated[CommaSeparated, AfterValidator(_locales)] = Field(
        default=("en",), description="the languages of texts, comma-separated; the first is that of the main texts"
    )
    import_max_bytes: Count = Field(default=1024**3, description="of one file of products or prices")
    reviews_verified_only: bool = Field(
        default=False, description="only customers who have received a product can review it"
    )
    reviews_of_erased: Literal["keep", "delete"] = Field(
        default="keep", description="the published reviews of erased accounts: kept without a name, or deleted"
    )
