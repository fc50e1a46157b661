"""The language of a response is negotiated."""

import pytest
from pydantic import BaseModel, ValidationError

from product_service.languages import negotiate
from product_service.settings import Settings

LOCALES = ("en", "de", "fr-CA", "de-AT")


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("de", "de"),
        ("DE-at", "de-AT"),
        ("de-CH", "de"),
        ("fr", "fr-CA"),
        ("fr-CH, fr;q=0.9, en;q=0.8", "fr-CA"),
        ("it, de;q=0.5, en;q=0.6", "en"),
        ("it;q=0.9, de;q=0.8", "de"),
        ("de;q=0, fr", "fr-CA"),
        ("de;q=0", "en"),
        ("it, *", "en"),
        ("it", "en"),
        ("", "en"),
        ("de;q=high, fr;q=0.1", "fr-CA"),
        (";;;,,, de ", "de"),
        ("x" * 5000, "en"),
    ],
)
def test_the_highest_weight_decides_among_what_the_shop_has(accepted: str, language: str) -> None:
    assert negotiate(accepted, LOCALES) == language


@pytest.mark.parametrize("locales", ["", "english", "en,EN", "de,de", "en;de"])
def test_a_setting_without_sense_stops_the_start(locales: str) -> None:
    class Locales(BaseModel):
        locales: Settings.__annotations__["locales"]  # type: ignore[valid-type]

    with pytest.raises(ValidationError, match="must be different languages"):
        Locales(locales=locales)
    assert Locales(locales="en, de").locales == ("en", "de")
