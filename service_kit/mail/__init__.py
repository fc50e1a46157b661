"""Sending e-mail: the settings of a service that does, and the way to its mail server."""

from service_kit.mail.mailer import MAIL_BACKOFF, Mailer, open_mailer
from service_kit.mail.settings import MailSettings

__all__ = ["MAIL_BACKOFF", "MailSettings", "Mailer", "open_mailer"]
