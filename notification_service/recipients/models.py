"""The recipients of notifications."""

from uuid import UUID

from sqlalchemy import BigInteger, Index, text
from sqlmodel import Field

from notification_service.base import Base


class Recipient(Base, table=True):
    """What messages need to know of an account.

    Without an `email` only the id is known: either `user.changed` has not arrived, and notifications are hidden until
    then, or the account was erased, and none are added any more.
    """

    __tablename__ = "recipients"

    customer_id: UUID = Field(primary_key=True)
    version: int = Field(default=0, sa_type=BigInteger)
    email: str | None = None
    full_name: str | None = None
    email_verified: bool = False
    erased: bool = False
    release_withheld: bool = Field(default=False, sa_column_kwargs={"server_default": "false"})
    """The address was confirmed, and a job has not yet released the withheld mails."""

    __table_args__ = (
        Index("ix_recipients_release_withheld", "customer_id", postgresql_where=text("release_withheld")),
    )
