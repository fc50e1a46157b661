"""Accounts, and their problems."""

from datetime import timedelta
from typing import Self
from uuid import UUID

from sqlalchemy import Column, Index, Text, Uuid, literal_column, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from contracts.permissions import Role
from service_kit.problems import Problem, challenge
from user_service.base import Entity, Versioned
from user_service.emails import KEY

WITHOUT_EMAIL = "guest_email IS NULL AND roles = '{Guest}'::text[]"
SEARCHED = "fold((email::text || ' '::text) || full_name::text)"
"""The indexed expression that a search for accounts uses, as PostgreSQL prints it. Migration 0100 creates `fold`, which
removes case and accents."""


class EmailTaken(Problem, status=409, type="email-taken"):
    """There is an account with this e-mail address already: sign in, or use another address."""


class AlreadyVerified(Problem, status=409, type="already-verified"):
    """This e-mail address is confirmed already: there is nothing to do."""


class GuestAccount(Problem, status=409, type="guest-account"):
    """This is a guest's account, which has neither a password nor other roles. Its owner sets a password first, by
    `POST /auth/guest/claim` with the code that was mailed to the guest's address."""


class LastAdmin(Problem, status=409, type="last-admin"):
    """This is the last active Admin: give somebody else the role first."""


class NotOneself(Problem, status=409, type="not-oneself"):
    """Staff can't change their own roles or disable themselves: ask another Admin."""


class SignInAgain(Problem, status=403, type="sign-in-again"):
    """This can't be taken back, so that it needs a sign-in of the last {minutes} minutes: sign in again (with the
    second factor, where there is one) and repeat the request with the new access token."""

    @classmethod
    def within(cls, age: timedelta) -> Self:
        """Has the challenge of RFC 9470, by which a frontend recognises that its user must sign in again."""
        seconds = int(age.total_seconds())
        says = "a more recent sign-in is required"
        headers = challenge("insufficient_user_authentication", says, max_age=str(seconds))
        return cls(minutes=seconds // 60, headers=headers)


class Account(Entity, Versioned, table=True):
    __tablename__ = "accounts"
    __table_args__ = (
        Index("ix_accounts_created_at_id", "created_at", "id"),
        Index("ix_accounts_roles", "roles", postgresql_using="gin"),
        Index("ix_accounts_groups", "groups", postgresql_using="gin"),
        Index("uq_accounts_email_key", text(KEY.format("email")), unique=True, postgresql_where=text("NOT collides")),
        Index("ix_accounts_email_key", text(KEY.format("email"))),
        Index(
            "ix_accounts_search",
            literal_column(SEARCHED).label("searched"),
            postgresql_using="gin",
            postgresql_ops={"searched": "gin_trgm_ops"},
        ),
        Index(
            "ix_accounts_guest_email_key",
            text(KEY.format("guest_email")),
            postgresql_where=text("guest_email IS NOT NULL"),
        ),
        Index("ix_accounts_guests_without_email", "created_at", postgresql_where=text(WITHOUT_EMAIL)),
        Index("ix_accounts_colliding", "created_at", "id", postgresql_where=text("collides")),
    )

    email: str = Field(unique=True)
    """The address with which the account signs in. A guest's row has its id here, which is no address: so a guest's
    address is never in the way of an account, and no look-up by an address finds a guest."""
    guest_email: str | None = None
    """The address of a guest, if it gave one. Other accounts, of guests or not, may have the same."""
    full_name: str
    locale: str | None = None
    """The language of texts and mails, if the account has chosen one."""
    password_hash: str
    roles: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    groups: list[UUID] = Field(default_factory=list, sa_column=Column(ARRAY(Uuid), nullable=False, server_default="{}"))
    """The ids of its customer groups."""
    email_verified: bool = False
    collides: bool = Field(default=False, sa_column_kwargs={"server_default": "false"})
    """True if it was created before all spellings of an address counted as one, and another account had the same."""
    active: bool = True

    @property
    def is_guest(self) -> bool:
        return self.roles == [Role.GUEST]

    @property
    def address(self) -> str | None:
        """Where its mails go; None: a guest who gave no address."""
        return self.guest_email if self.is_guest else self.email

    def check_registered(self) -> None:
        """Raises: GuestAccount."""
        if self.is_guest:
            raise GuestAccount

    @property
    def is_admin(self) -> bool:
        return self.active and Role.ADMIN in self.roles
