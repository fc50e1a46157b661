"""Topic `users`: snapshots of the accounts."""

from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from contracts.events.base import Event
from contracts.topics import USERS


class UserEvent(Event, topic=USERS, source="/user_service", key="user_id", subject="user_id"):
    """What every event about an account carries."""

    user_id: UUID


class EndedSession(BaseModel):
    """A session that is over, while access tokens of it may still be valid by their own word."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    session_id: UUID
    ended_at: AwareDatetime


class UserChanged(UserEvent, type="mart.user.changed.v1"):
    """The account as it is now; said by user when one is made or changed."""

    email: str
    full_name: str
    roles: list[str]
    email_verified: bool
    active: bool
    permissions: list[str] | None = Field(
        default=None, description="what the roles allowed together, own roles too, at this time; null: not known"
    )
    ended_sessions: list[EndedSession] = Field(
        default_factory=list,
        description="the latest sessions that ended within the longest life of an access token; the topic is "
        "compacted, so that this snapshot may be all that is left of their `session.ended`",
    )


class UserErased(UserEvent, type="mart.user.erased.v1", terminal=True):
    """The account and its data were erased; published by user, the terminal event of this id."""


class SessionEnded(UserEvent, type="mart.session.ended.v1"):
    """Sessions of the account were ended before their time; published by user, and always followed by a
    `user.changed`, which repeats it: the topic keeps the last record of a key alone."""

    session_ids: list[UUID] = Field(description="the `sid` of access tokens that are refused from now on")
    ended_at: AwareDatetime


class ApiClientChanged(UserEvent, type="mart.api_client.changed.v1"):
    """The API client as it is now; published by user when one is created, changed or deleted. `user_id` is the
    client's id, which is the `sub` of its tokens, so that it stands among the accounts whose status services keep."""

    active: bool = Field(description="false also where it was deleted; then no event follows")
    permissions: list[str]
    expires_at: AwareDatetime | None = Field(default=None, description="its end date; null: it has none")
