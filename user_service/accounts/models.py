"""An account, and the rules that hold on it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, Index, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from contracts.permissions import Role
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.problems import Problem
from user_service.base import Base


class EmailTaken(Problem, status=409, type="email-taken"):
    """There is an account with this e-mail address already: sign in, or use another address."""


class LastAdmin(Problem, status=409, type="last-admin"):
    """This is the last active Admin: give somebody else the role first."""


class NotOneself(Problem, status=409, type="not-oneself"):
    """Staff can't change their own roles or disable themselves: ask another Admin."""


class Account(Base, table=True):
    __tablename__ = "accounts"
    __table_args__ = (
        Index("ix_accounts_created_at_id", "created_at", "id"),
        Index("ix_accounts_roles", "roles", postgresql_using="gin"),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    email: str = Field(unique=True)
    full_name: str
    password_hash: str
    roles: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    email_verified: bool = False
    active: bool = True
    version: int = 1
    created_at: datetime = Field(default_factory=utcnow)

    @property
    def is_admin(self) -> bool:
        return self.active and Role.ADMIN in self.roles

    def change(self, **fields: object) -> bool:
        """Takes over the fields that differ; whether any did. The version grows with each change."""
        changed = {name: value for name, value in fields.items() if getattr(self, name) != value}
        for name, value in changed.items():
            setattr(self, name, value)
        self.version += bool(changed)
        return bool(changed)
