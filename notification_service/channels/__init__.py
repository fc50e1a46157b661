"""The ways in which notifications reach customers. A new one is a module here and a line below."""

from notification_service.channels.channel import ChannelName, Message, OutboundChannel
from notification_service.channels.email import EMAIL
from notification_service.channels.inbox import INBOX

OUTBOUND = (EMAIL,)

__all__ = ["EMAIL", "INBOX", "OUTBOUND", "ChannelName", "Message", "OutboundChannel"]
