"""Settings of the notification service."""

from pydantic import Field

from service_kit.mail import MailSettings


class Settings(MailSettings, service="notification"):
    """What the notification service needs to know beside what every service does."""

    port: int = 8006
    operations_port: int = 18006
    fetch_max_wait_ms: int = 100
    withheld_mail_days: int = Field(
        default=14, ge=0, description="how old a mail may be that is sent once its address is confirmed; 0: none is"
    )
