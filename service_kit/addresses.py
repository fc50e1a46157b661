"""A postal address in a request: what carriers need, and nothing that can't be printed on a label."""

from typing import Annotated

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
