"""A postal address in a request: what carriers need, and nothing that can't be printed on a label."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from service_kit.iso_codes import Country
from service_kit.schemas import RequestBody
from service_kit.text import Printable, Trimmed

Line = Annotated[str, Trimmed(200), Printable]
Region = Annotated[
    str, Trimmed(100), Printable, Field(description="state, province or county, where the country's addresses have one")
]
PostalCode = Annotated[str, Trimmed(20), Printable]
Phone = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=40, pattern=r"^\+?[0-9()][0-9 ()./-]{2,}$"),
    Field(description="for the carrier; digits, with blanks, dots, hyphens or brackets between them"),
]


class Place(RequestBody):
    """A postal address."""

    line1: Line
    line2: Line | None = None
    city: Line
    region: Region | None = None
    postal_code: PostalCode | None = None
    country: Country


class PostalAddress(Place):
    """The address of a parcel, with its recipient."""

    name: Line
    company: Line | None = None
    phone: Phone | None = None


def address_lines(address: Mapping[str, Any]) -> list[str]:
    """The lines of an address, as on a parcel; `address` has the fields of `contracts.address.Address`."""
    city = " ".join(filter(None, (address.get("postal_code"), address["city"])))
    named = (address.get(name) for name in ("name", "company", "line1", "line2"))
    return [line for line in (*named, city, address.get("region"), address["country"]) if line]
