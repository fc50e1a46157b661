"""Sending e-mail: the settings of a service that does, and the way to its mail server."""

from service_kit.mail.mailer import Mailer, Refused, ServerAway, open_mailer
from service_kit.mail.settings import MailSettings

__all__ = ["MailSettings", "Mailer", "Refused", "ServerAway", "open_mailer"]
