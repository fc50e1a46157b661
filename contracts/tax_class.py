"""Tax classes: the product service stores one of each product, the order service has the rates of each."""

from typing import Annotated

from pydantic import Field

TaxClass = Annotated[
    str,
    Field(
        pattern=r"^[a-z][a-z0-9-]{0,39}$",
        description="a name in lower case, such as `standard` or `reduced`; the order service knows its rates",
        examples=["standard"],
    ),
]
