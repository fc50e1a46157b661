"""Tables of recipients."""

from uuid import UUID

from sqlalchemy import BigInteger, Index, text
from sqlmodel import Field

from notification_service.base import Base


class Recipient(Base, table=True):
    """A user as far as messages need to know them.

    Without an `email` nothing but the id is known: either `user.changed` is still to come, and what happens meanwhile
    waits for it, or the user was erased, and nothing is told any more.
    """

    __tablename__ = "recipients"

    customer_id: UUID = Field(primary_key=True)
    version: int = Field(default=0, sa_type=BigInteger)
    email: str | None = None
    full_name: str | None = None
    email_verified: bool = False
    erased: bool = False
    release_withheld: bool = Field(default=False, sa_column_kwargs={"server_default": "false"})
    """The address was confirmed, and a job has still to look at the mails that were withheld until then."""

    __table_args__ = (
        Index("ix_recipients_release_withheld", "customer_id", postgresql_where=text("release_withheld")),
    )
