"""The customer in events about orders, payments, shipments and returns."""

from typing import Annotated
from uuid import UUID

from pydantic import AliasChoices, BaseModel, Field, computed_field

# Before version 0.10, `customer_id` was called `user_id`. Events are written with both names and read with either,
# until 30 days after the upgrade: then no dead letter of an older version can be replayed any more.
_EITHER_NAME = Field(validation_alias=AliasChoices("customer_id", "user_id"))


class OfCustomer(BaseModel):
    """For events that always name a customer."""

    customer_id: Annotated[UUID, _EITHER_NAME]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def user_id(self) -> UUID:
        """The former name of `customer_id`."""
        return self.customer_id


class MayNameCustomer(BaseModel):
    """For events that may lack a customer, since outside systems don't know it."""

    customer_id: Annotated[UUID | None, _EITHER_NAME] = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def user_id(self) -> UUID | None:
        """The former name of `customer_id`."""
        return self.customer_id
