"""Topic `users`: snapshots of the accounts."""

from uuid import UUID

from pydantic import Field

from contracts.events.base import Event
from contracts.topics import USERS


class UserEvent(Event, topic=USERS, source="/user_service", key="user_id", subject="user_id"):
    """What every event about an account carries."""

    user_id: UUID


class UserChanged(UserEvent, type="mart.user.changed.v1"):
    """The account as it is now; said by user when one is made or changed."""

    email: str
    full_name: str
    roles: list[str]
    email_verified: bool
    active: bool
    permissions: list[str] | None = Field(
        default=None, description="what the roles allowed together, own roles too, when this was said; null: not said"
    )


class UserErased(UserEvent, type="mart.user.erased.v1", last_word=True):
    """The account and what was known of it are gone; said by user, the last word on this id."""
