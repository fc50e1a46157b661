"""The settings of the notification service."""

from pydantic import Field

from service_kit.mail import MailSettings


class Settings(MailSettings, service="notification"):
    """The settings of all services and of the mail server, and those of this service."""

    port: int = 8006
    operations_port: int = 18006
    fetch_max_wait_ms: int = 100
    withheld_mail_days: int = Field(
        default=14,
        ge=0,
        description="when an address is confirmed, withheld mails up to this age are sent; 0: none",
    )
