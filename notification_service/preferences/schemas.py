"""Bodies of preferences."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from notification_service.notifications.kinds import Kind
from notification_service.preferences.models import Channel, Preferences
from service_kit.schemas import RequestBody

_EXAMPLE: dict[str, Any] = {"items": [{"kind": "order.placed", "channel": "email", "enabled": False}]}


class Preference(RequestBody):
    """Whether notifications of one kind are also sent by one channel."""

    kind: Kind
    channel: Channel
    enabled: bool


class PreferencesIn(RequestBody):
    """What is not named goes back to its default: enabled."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    items: list[Preference] = Field(max_length=100)

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        named = [(item.kind, item.channel) for item in self.items]
        if len(named) != len(set(named)):
            raise ValueError("each kind and channel may be named once")
        return self

    @property
    def email_off(self) -> list[str]:
        return sorted(item.kind.value for item in self.items if not item.enabled)


class PreferencesOut(BaseModel):
    """Every kind by every channel."""

    items: list[Preference]

    @classmethod
    def of(cls, preferences: Preferences | None) -> Self:
        off = preferences.email_off if preferences else []
        return cls(items=[Preference(kind=kind, channel=Channel.EMAIL, enabled=kind not in off) for kind in Kind])
