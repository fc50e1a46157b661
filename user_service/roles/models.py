"""Roles that the shop creates beside the built-in ones. A role is a named set of permissions."""

from datetime import datetime

from sqlalchemy import Column, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from contracts.permissions import ROLES
from service_kit.clock import utcnow
from service_kit.problems import Problem
from user_service.base import Versioned

MAX_ROLES = 200


class TooManyRoles(Problem, status=409, type="too-many-roles"):
    """A shop can have {most} roles of its own: delete one that nobody has any more."""


class RoleExists(Problem, status=409, type="role-exists"):
    """There is a role {name} already: choose another name, whatever its capitals."""


class RoleBuiltIn(Problem, status=409, type="role-built-in"):
    """{name} is built in and stays as it is: make a role of your own."""


class RoleInUse(Problem, status=409, type="role-in-use"):
    """{holders} accounts have the role {name}: take it from them first."""


class UnknownRole(Problem, status=422, type="unknown-role"):
    """There is no role {names}: GET /roles lists them."""


class NotYoursToGive(Problem, status=403, type="not-yours-to-give"):
    """Nobody manages what may do more than themselves, and nobody gives or takes that; you don't hold {permissions}."""


class OwnRole(Versioned, table=True):
    """The name is the key and can't be changed, since accounts and events contain it."""

    __tablename__ = "roles"
    __table_args__ = (Index("uq_roles_lower_name", text("lower(name)"), unique=True),)

    name: str = Field(primary_key=True)
    description: str = ""
    permissions: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    created_at: datetime = Field(default_factory=utcnow)

    def recorded(self) -> dict[str, object]:
        """The fields that the audit log records."""
        return self.model_dump(mode="json", include={"description", "permissions"})


BUILT_IN = {str(role): sorted(map(str, permissions)) for role, permissions in ROLES.items()}
