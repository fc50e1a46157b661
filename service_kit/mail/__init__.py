"""Sending e-mail: settings of the mail server, and connections to it."""

from service_kit.mail.mailer import MAIL_BACKOFF, Mailer, open_mailer
from service_kit.mail.settings import MailSettings

__all__ = ["MAIL_BACKOFF", "MailSettings", "Mailer", "open_mailer"]
