"""The inbox: a notification is in it as soon as its customer is known. There is nothing to send, customers read it."""

from notification_service.channels.channel import Channel

INBOX = Channel(name="inbox", takes="recipient.email IS NOT NULL")
