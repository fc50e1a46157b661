"""The audit log: who did what to which account, from where, and when."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.security import Principal
from user_service.base import Base


class Action(StrEnum):
    """The actions that the audit log records."""

    ACCOUNT_REGISTERED = "account.registered"
    ACCOUNT_CREATED = "account.created"
    ACCOUNT_CHANGED = "account.changed"
    ACCOUNT_DISABLED = "account.disabled"
    ACCOUNT_ENABLED = "account.enabled"
    ACCOUNT_ERASED = "account.erased"
    ROLES_CHANGED = "roles.changed"
    EMAIL_VERIFIED = "email.verified"
    EMAIL_CHANGE_ASKED = "email.change-asked"
    EMAIL_CHANGE_REFUSED = "email.change-refused"
    EMAIL_CHANGED = "email.changed"
    PASSWORD_CHANGED = "password.changed"  # noqa: S105 (a word, no secret)
    PASSWORD_CHANGE_REFUSED = "password.change-refused"  # noqa: S105
    PASSWORD_RESET_ASKED = "password.reset-asked"  # noqa: S105
    PASSWORD_RESET = "password.reset"  # noqa: S105
    SIGN_IN_SUCCEEDED = "sign-in.succeeded"
    SIGN_IN_FAILED = "sign-in.failed"
    DATA_EXPORTED = "data.exported"
    SESSION_ENDED = "session.ended"
    OTHER_SESSIONS_ENDED = "session.others-ended"
    SESSION_STOLEN = "session.stolen"
    SESSIONS_ENDED_BY_STAFF = "session.all-ended-by-staff"
    MFA_ENABLED = "second-factor.enabled"
    MFA_DISABLED = "second-factor.disabled"
    MFA_CHANGE_REFUSED = "second-factor.change-refused"
    RECOVERY_CODES_RENEWED = "recovery-codes.renewed"
    ROLE_CREATED = "role.created"
    ROLE_CHANGED = "role.changed"
    ROLE_DELETED = "role.deleted"
    GUEST_CREATED = "guest.created"
    GUEST_EMAIL_SET = "guest.email-set"
    GUEST_LINK_ASKED = "guest.link-asked"
    GUEST_LINK_USED = "guest.link-used"
    GUEST_REGISTERED = "guest.registered"
    GUEST_MERGED = "guest.merged"
    CUSTOMER_GROUP_CREATED = "customer-group.created"
    CUSTOMER_GROUP_CHANGED = "customer-group.changed"
    CUSTOMER_GROUP_DELETED = "customer-group.deleted"
    CUSTOMER_GROUP_MEMBER_ADDED = "customer-group.member-added"
    CUSTOMER_GROUP_MEMBER_REMOVED = "customer-group.member-removed"
    API_CLIENT_CREATED = "api-client.created"
    API_CLIENT_CHANGED = "api-client.changed"
    API_CLIENT_DELETED = "api-client.deleted"
    API_CLIENT_SIGN_IN_SUCCEEDED = "api-client.sign-in-succeeded"
    API_CLIENT_SIGN_IN_FAILED = "api-client.sign-in-failed"
    API_CLIENT_SECRET_ADDED = "api-client.secret-added"  # noqa: S105
    API_CLIENT_SECRET_REMOVED = "api-client.secret-removed"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from, and who sent it, if that is known."""

    address: str | None = None
    user_agent: str | None = None
    device: str | None = None
    """The value of the cookie by which a device is recognised (`audit.devices`)."""
    actor_id: UUID | None = None
    session_id: UUID | None = None
    client_id: str | None = None
    """The API client that sent it; None: a person or an unknown sender."""

    def by(self, who: Principal) -> "Actor":
        client_id = None if who.is_person else who.client_id
        place = (self.address, self.user_agent, self.device)
        return Actor(*place, who.user_id, who.session_id, client_id, who=who)


@dataclass(frozen=True, slots=True)
class Actor(Origin):
    """A caller with a valid access token, and where their request comes from."""

    who: Principal = field(kw_only=True)

    @property
    def id(self) -> UUID:
        return self.who.user_id


SYSTEM = Origin()
"""The origin of what jobs do, without a request."""


class AuditEntry(Base, table=True):
    """Contains ids, never a name or an e-mail address, since it outlives the account that it is about.

    It is the kit's audit log with more columns, which are for accounts. The kit's trigger adds an entry when a dead
    letter is replayed or discarded. Another trigger rejects changes and deletions (the kit's migration 0100).
    """

    __tablename__ = "audit_log"
    __table_args__ = (
        Index("ix_audit_log_at", "at", "id"),
        Index("ix_audit_log_actor", "actor_id", "at", "id"),
        Index("ix_audit_log_subject", "subject_id", "at", "id"),
        Index("ix_audit_log_action", "action", "at", "id"),
        # Entries without a resource, such as failed sign-ins with an unknown address, are not looked up by it.
        Index(
            "ix_audit_log_resource",
            "resource",
            "resource_id",
            "at",
            "id",
            postgresql_where=text("resource IS NOT NULL"),
        ),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    at: datetime = Field(default_factory=utcnow)
    action: str = Field(sa_type=Text)
    actor_id: UUID | None = None
    subject_id: UUID | None = None
    address: str | None = None
    user_agent: str | None = None
    session_id: UUID | None = None
    facts: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSONB, nullable=False, server_default="{}"))
    client_id: str | None = Field(default=None, sa_type=Text)
    resource: str | None = Field(default=None, sa_type=Text)
    resource_id: str | None = Field(default=None, sa_type=Text)
    changes: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    request_id: str | None = Field(default=None, sa_type=Text)
