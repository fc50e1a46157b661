"""Topic `users`: snapshots of accounts and API clients, what became of them, and ended sessions."""

from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from contracts.events.base import Event
from contracts.topics import USERS


class UserEvent(Event, topic=USERS, source="/user_service", key="user_id", subject="user_id"):
    """The base class of events about an account or API client."""

    user_id: UUID


class EndedSession(BaseModel, frozen=True):
    """A session that has ended. Access tokens that were issued for it may not have expired yet."""

    session_id: UUID
    ended_at: AwareDatetime


class UserChanged(UserEvent, type="mart.user.changed.v1"):
    """The account as it is now; published by user when it is created or changed."""

    email: str
    full_name: str
    roles: list[str]
    email_verified: bool
    active: bool
    permissions: list[str] | None = Field(
        default=None, description="all permissions of the account's roles at this time; null: not known"
    )
    ended_sessions: list[EndedSession] = Field(
        default_factory=list,
        description="sessions that ended within the longest lifetime of an access token (the latest ones): "
        "compaction may have removed their `session.ended`",
    )
    groups: list[UUID] | None = Field(
        default=None, description="the ids of the account's customer groups; null: not known"
    )
    locale: str | None = Field(
        default=None, description="the language that the account has chosen, as in `de` or `de-AT`; null: not known"
    )


class UserErased(UserEvent, type="mart.user.erased.v1", terminal=True):
    """The account and its data were erased; published by user as the terminal event of this id."""


class UserMerged(UserEvent, type="mart.user.merged.v1", terminal=True):
    """A guest's account became part of a registered one: all that belonged to `user_id` belongs to `into` from now on.
    Published by user as the terminal event of this id, instead of `user.erased`."""

    into: UUID = Field(description="the registered account; it may have been erased since")


class SessionEnded(UserEvent, type="mart.session.ended.v1"):
    """Sessions of the account were ended before they expired; published by user, and always followed by a
    `user.changed` that contains them too, since the compacted topic keeps only the last record of a key."""

    session_ids: list[UUID] = Field(description="the `sid` of access tokens that are rejected from now on")
    ended_at: AwareDatetime


class ApiClientChanged(UserEvent, type="mart.api_client.changed.v1"):
    """The API client as it is now; published by user when it is created, changed or deleted. `user_id` is the client's
    id and the `sub` of its tokens, so that services keep its account status like that of a person."""

    active: bool = Field(description="false also if it was deleted; then no event follows")
    permissions: list[str]
    expires_at: AwareDatetime | None = Field(default=None, description="its end date; null: it has none")
