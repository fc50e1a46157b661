"""Request and response bodies of accounts."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field

from contracts.permissions import Role
from service_kit.schemas import RequestBody, RowOut, examples
from service_kit.text import Locale, Printable, Trimmed
from user_service.accounts.models import Account
from user_service.emails import EmailAddress
from user_service.passwords.schemas import Password
from user_service.roles.schemas import RoleNames

FullName = Annotated[str, Trimmed(200), Printable]
LOCALE = Field(default=None, description="the language of texts and mails, as in `de` or `de-AT`; null: not known")


class Registration(RequestBody):
    model_config = examples(
        {"email": "ada@example.com", "password": "correct horse battery", "full_name": "Ada Lovelace"}
    )

    email: EmailAddress
    password: Password
    full_name: FullName
    locale: Locale | None = LOCALE
    roles: RoleNames = Field(default=[Role.USER.value], description="only staff may assign other roles than User")


class ProfileChange(RequestBody):
    """An absent field stays; a null `locale` removes it."""

    full_name: FullName | None = None
    locale: Locale | None = LOCALE

    def columns(self) -> dict[str, Any]:
        given = self.model_dump(exclude_unset=True)
        return {name: value for name, value in given.items() if value is not None or name == "locale"}


class AccountChange(ProfileChange):
    roles: RoleNames | None = None
    active: bool | None = Field(default=None, description="false: the account is signed out, and can't sign in")


class AccountOut(RowOut):
    id: UUID
    email: str | None = Field(description="null: a guest who gave no address")
    full_name: str
    locale: str | None
    roles: list[str]
    email_verified: bool
    active: bool
    version: int
    created_at: datetime

    @classmethod
    def of(cls, row: Account, **more: object) -> Self:
        return super().of(row, email=row.address, **more)
