"""The customer of an order, payment, shipment or return, in the events about it."""

from typing import Annotated
from uuid import UUID

from pydantic import AliasChoices, BaseModel, Field, computed_field

# Before version 0.10, `customer_id` was called `user_id`. Events are written with both names and read with either until
# no dead letter of an older version can be replayed any more: 30 days after the upgrade.
_EITHER_NAME = Field(validation_alias=AliasChoices("customer_id", "user_id"))


class OfCustomer(BaseModel):
    """The body names a customer."""

    customer_id: Annotated[UUID, _EITHER_NAME]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def user_id(self) -> UUID:
        """The former name of `customer_id`."""
        return self.customer_id


class MayNameCustomer(BaseModel):
    """The body may name a customer; what an outside system reports need not."""

    customer_id: Annotated[UUID | None, _EITHER_NAME] = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def user_id(self) -> UUID | None:
        """The former name of `customer_id`."""
        return self.customer_id
