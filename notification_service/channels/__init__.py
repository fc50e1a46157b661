"""Channels, which send notifications to customers. To add one, write a module here and add it to `CHANNELS`."""

from notification_service.channels.channel import Channel, ChannelName, Message
from notification_service.channels.email import EMAIL

CHANNELS = (EMAIL,)

__all__ = ["CHANNELS", "EMAIL", "Channel", "ChannelName", "Message"]
