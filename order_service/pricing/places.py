"""Places, as the zones of taxes and of shipping name them, and as addresses are compared with them."""

from typing import Annotated, NamedTuple

from pydantic import AfterValidator

from service_kit.addresses import Region


class Destination(NamedTuple):
    """Where an order goes, as far as its price depends on it."""

    country: str
    region: str | None = None
    postal_code: str | None = None


def normal_region(region: str) -> str:
    """The form in which regions are stored and compared: without regard to case and surrounding blanks."""
    return region.strip().casefold()


def distinct(values: list[str]) -> list[str]:
    return sorted(set(values))


RegionName = Annotated[Region, AfterValidator(normal_region)]
