"""The order service's settings."""

from datetime import timedelta

from pydantic import Field, SecretStr

from service_kit.settings import ServiceSettings


class Settings(ServiceSettings, service="order"):
    """Read from ORDER_<NAME>, else <NAME>; durations as ISO 8601 (`PT24H`)."""

    port: int = 8002
    operations_port: int = 18002

    default_currency: str = Field(
        default="GBP",
        pattern=r"^[A-Z]{3}$",
        description="taken when the lines are priced in several and none is asked for",
    )
    pay_within: timedelta = Field(default=timedelta(hours=24), gt=timedelta(0), description="from placed to `pay_by`")
    reserved_beyond: timedelta = Field(
        default=timedelta(minutes=30), gt=timedelta(0), description="from `pay_by` to the reservation's own end"
    )
    return_window: timedelta = Field(
        default=timedelta(days=30), gt=timedelta(0), description="from delivered to completed"
    )
    standing_still_after: timedelta = Field(
        default=timedelta(minutes=15), gt=timedelta(0), description="when an order that waits for a machine is reported"
    )

    gateway_url: str = "http://localhost:8005"
    gateway_api_key: SecretStr = Field(min_length=1)
    gateway_webhook_secret: SecretStr = Field(min_length=1)
    gateway_timeout_seconds: float = Field(default=10, gt=0)
