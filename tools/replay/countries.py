"""Country codes for the names in the data set."""

from iso3166 import countries

UNKNOWN = "GB"  # the shop's own: an address needs a valid country

_OTHER_NAMES = {"Channel Islands": "JE", "Czech Republic": "CZ", "EIRE": "IE", "Korea": "KR", "RSA": "ZA"}


def country_code(name: str) -> str:
    """ISO 3166-1 alpha-2; the shop's own for names that are no country (`Unspecified`, `European Community`)."""
    found = countries.get(name, None)
    return found.alpha2 if found else _OTHER_NAMES.get(name, UNKNOWN)
