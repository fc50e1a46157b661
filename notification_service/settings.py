"""The settings of the notification service."""

from pydantic import Field

from service_kit.mail import MailSettings


class Settings(MailSettings, service="notification"):
    port: int = 8006
    operations_port: int = 18006
    fetch_max_wait_ms: int = 100
    withheld_mail_days: int = Field(
        default=14,
        ge=0,
        description="the greatest age of a mail that is still sent when its address is confirmed; 0: none is",
    )
