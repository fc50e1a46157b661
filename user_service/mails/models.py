"""Mails to send, and tokens that prove who read them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import StringConstraints
from sqlmodel import Field

from service_kit.clock import utcnow
from service_kit.problems import Problem
from user_service.base import Base, Entity


class Purpose(StrEnum):
    """What a mail is for, and what its token permits. A notice has no token: it informs the account's owner."""

    VERIFY_EMAIL = "verify-email"
    RESET_PASSWORD = "reset-password"  # noqa: S105 (a word, no secret)
    CHANGE_EMAIL = "change-email"
    GUEST_LINK = "guest-orders"
    GUEST_LINKS = "guest-orders-of-address"
    """A link for each guest with this address. The job that sends mails finds the guests, since the time for that would
    reveal to whoever asks for the links whether there are any."""
    EMAIL_IN_USE = "email-in-use"
    EMAIL_CHANGE_ASKED = "email-change-asked"
    EMAIL_CHANGED = "email-changed"
    PASSWORD_CHANGED = "password-changed"  # noqa: S105
    MFA_ENABLED = "second-factor-enabled"
    MFA_DISABLED = "second-factor-disabled"
    RECOVERY_CODES_RENEWED = "recovery-codes-renewed"
    NEW_DEVICE = "new-device"
    API_CLIENT_CREATED = "api-client-created"

    @property
    def is_notice(self) -> bool:
        return self not in (
            Purpose.VERIFY_EMAIL, Purpose.RESET_PASSWORD, Purpose.CHANGE_EMAIL, Purpose.GUEST_LINK, Purpose.GUEST_LINKS,
        )  # fmt: skip


MailedToken = Annotated[str, StringConstraints(min_length=1, max_length=200)]
"""A token that the reader of a mail sends back."""


class TokenNotGood(Problem, status=400, type="mail-token-not-good"):
    """This link or code is not good any more: it was used, is too old, or is not one of ours. Ask for a new mail."""


class Mail(Entity, table=True):
    """A mail that is not sent or given up yet. While a process sends it, `next_attempt_at` is the end of its lease.

    If no account has the address, `account_id` is None: such requests get the same response, and the job sends nothing.
    There is no foreign key, since the time to check it would reveal whether the account exists.
    """

    __tablename__ = "mails"
    __table_args__ = (
        {"postgresql_with": {"autovacuum_vacuum_scale_factor": 0.02, "autovacuum_vacuum_threshold": 2000}},
    )

    purpose: str
    email: str = Field(index=True)
    account_id: UUID | None = Field(default=None, index=True)
    attempts: int = 0
    next_attempt_at: datetime = Field(default_factory=utcnow, index=True)


class MailToken(Base, table=True):
    """The token of a mail that was sent; only its hash is stored."""

    __tablename__ = "mail_tokens"

    token_hash: bytes = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="accounts.id", ondelete="CASCADE", index=True)
    purpose: str
    email: str | None = None
    """The address that it was mailed to; None in tokens that are older than this column."""
    created_at: datetime = Field(default_factory=utcnow)
    expires_at: datetime = Field(index=True)
