"""Customer groups. An account's memberships are in its row (`Account.groups`), since each change publishes it."""

from datetime import datetime

from sqlalchemy import Index, text

from service_kit.problems import Problem
from user_service.base import Entity, Versioned

MAX_GROUPS_OF_ACCOUNT = 50
_PRESENT = text("deleted_at IS NULL")


class CustomerGroupExists(Problem, status=409, type="customer-group-exists"):
    """There is a customer group {name} already: choose another name, whatever its capitals."""


class TooManyCustomerGroups(Problem, status=409, type="too-many-customer-groups"):
    """An account can be in {most} customer groups: remove it from one of them first."""


class CustomerGroup(Entity, Versioned, table=True):
    """A deleted group is hidden at once. Its row stays until a job has removed it from the accounts of all members."""

    __tablename__ = "customer_groups"
    __table_args__ = (
        Index("uq_customer_groups_lower_name", text("lower(name)"), unique=True, postgresql_where=_PRESENT),
        Index("ix_customer_groups_name_id", "name", "id", postgresql_where=_PRESENT),
        Index("ix_customer_groups_deleted", "id", postgresql_where=text("deleted_at IS NOT NULL")),
    )

    name: str
    deleted_at: datetime | None = None

    def recorded(self) -> dict[str, object]:
        """The fields that the audit log records."""
        return self.model_dump(mode="json", include={"name"})
