"""The ways to send notifications to customers. A new one is a module here and a member of `CHANNELS`."""

from notification_service.channels.channel import Channel, ChannelName, Message
from notification_service.channels.email import EMAIL

CHANNELS = (EMAIL,)

__all__ = ["CHANNELS", "EMAIL", "Channel", "ChannelName", "Message"]
