"""Settings of the notification service."""

from service_kit.mail import MailSettings


class Settings(MailSettings, service="notification"):
    """What the notification service needs to know beside what every service does."""

    port: int = 8006
    event_patience_ms: int = 100
