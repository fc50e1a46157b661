"""Request and response bodies of accounts."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field

from contracts.permissions import Role
from service_kit.schemas import RequestBody, RowOut, examples
from service_kit.text import Printable, Trimmed
from user_service.accounts.models import Account
from user_service.emails import EmailAddress
from user_service.passwords.schemas import Password
from user_service.roles.schemas import RoleNames

FullName = Annotated[str, Trimmed(200), Printable]


class Registration(RequestBody):
    model_config = examples(
        {"email": "ada@example.com", "password": "correct horse battery", "full_name": "Ada Lovelace"}
    )

    email: EmailAddress
    password: Password
    full_name: FullName
    roles: RoleNames = Field(default=[Role.USER.value], description="only staff may assign other roles than User")


class ProfileChange(RequestBody):
    full_name: FullName | None = None


class AccountChange(ProfileChange):
    roles: RoleNames | None = None
    active: bool | None = Field(default=None, description="false: the account is signed out, and can't sign in")


class AccountOut(RowOut):
    id: UUID
    email: str | None = Field(description="null: a guest who gave no address")
    full_name: str
    roles: list[str]
    email_verified: bool
    active: bool
    version: int
    created_at: datetime

    @classmethod
    def of(cls, row: Account, **more: object) -> Self:
        return super().of(row, email=row.address, **more)
