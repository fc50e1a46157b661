"""Request and response bodies of customer groups."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field

from service_kit.schemas import RequestBody, RowOut, examples
from service_kit.text import Printable, Trimmed
from user_service.accounts.models import Account

GroupName = Annotated[str, Trimmed(80), Printable]


class CustomerGroupIn(RequestBody):
    model_config = examples({"name": "Wholesale"})

    name: GroupName


class CustomerGroupOut(RowOut):
    id: UUID
    name: str
    version: int
    created_at: datetime


class MemberOut(RowOut):
    user_id: UUID
    email: str | None
    full_name: str
    active: bool = Field(description="whether the account can sign in")

    @classmethod
    def of_account(cls, account: Account) -> Self:
        return cls.of(account, user_id=account.id, email=account.address)
