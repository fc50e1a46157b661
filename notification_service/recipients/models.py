"""The recipients of notifications."""

from uuid import UUID

from sqlalchemy import BigInteger, Index, text
from sqlmodel import Field

from notification_service.base import Base


class Recipient(Base, table=True):
    """The data of an account that messages need.

    If `email` is None, only the id is known. Either `user.changed` has not arrived yet, and notifications are hidden
    until it does; or the account was erased, and no notifications are added any more.
    """

    __tablename__ = "recipients"

    customer_id: UUID = Field(primary_key=True)
    version: int = Field(default=0, sa_type=BigInteger)
    email: str | None = None
    full_name: str | None = None
    email_verified: bool = False
    guest: bool = Field(default=False, sa_column_kwargs={"server_default": "false"})
    """True if the account has no password. A guest's orders are mailed about although the address is not confirmed."""
    erased: bool = False
    release_withheld: bool = Field(default=False, sa_column_kwargs={"server_default": "false"})
    """True if the address was confirmed, and the job has not yet released the withheld mails."""

    __table_args__ = (
        Index("ix_recipients_release_withheld", "customer_id", postgresql_where=text("release_withheld")),
    )
