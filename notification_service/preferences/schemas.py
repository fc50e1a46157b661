"""Request and response bodies of preferences."""

from typing import Any, Self

from pydantic import BaseModel, Field, model_validator

from notification_service.channels import CHANNELS, Channel, ChannelName
from notification_service.kinds import Kind
from notification_service.preferences.models import Preferences
from service_kit.schemas import RequestBody, examples

_EXAMPLE: dict[str, Any] = {"items": [{"kind": "order.placed", "channel": "email", "enabled": False}]}


class Preference(RequestBody):
    """Whether notifications of one kind are also sent by one channel."""

    kind: Kind
    channel: ChannelName
    enabled: bool


class PreferencesIn(RequestBody):
    """A kind that is not listed is enabled, which is the default."""

    model_config = examples(_EXAMPLE)

    items: list[Preference] = Field(max_length=100)

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        named = [(item.kind, item.channel) for item in self.items]
        if len(named) != len(set(named)):
            raise ValueError("each kind and channel may be named once")
        return self

    def disabled_kinds(self, channel: Channel) -> list[str]:
        return sorted(item.kind.value for item in self.items if not item.enabled and item.channel == channel.name)


class PreferencesOut(BaseModel):
    """A preference for every kind and channel."""

    items: list[Preference]

    @classmethod
    def of(cls, preferences: Preferences | None) -> Self:
        off = {channel.name: getattr(preferences, channel.disabled_kinds, ()) for channel in CHANNELS}
        return cls(items=[Preference(kind=k, channel=name, enabled=k not in off[name]) for name in off for k in Kind])
