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
    stuck_after: timedelta = Field(
        default=timedelta(minutes=15), gt=timedelta(0), description="when an order that waits for a machine is reported"
    )

    # Limits on unpaid orders; 0: no limit of this kind. Whoever holds `orders:write:any` is exempt.
    limits: bool = Field(default=True, description="on, off (for tests of load): all of the following")
    unpaid_orders: int = Field(default=20, ge=0, description="of one account at a time")
    unpaid_orders_unconfirmed: int = Field(
        default=3, ge=0, description="of an account whose e-mail address is not confirmed"
    )
    pay_within_unconfirmed: timedelta = Field(
        default=timedelta(minutes=30), gt=timedelta(0), description="from placed to `pay_by`, of such an account"
    )
    unpaid_orders_per_address: int = Field(
        default=60, ge=0, description="from one client address, which an office or a mobile network may share"
    )
    unpaid_pieces: int = Field(
        default=10, ge=0, description="of one product, held unpaid by one account or address, at least"
    )
    unpaid_stock_share: float = Field(default=0.1, ge=0, le=1, description="of its stock, where that is more")
    failed_payments_per_order: int = Field(default=5, ge=0)
    failed_payments_per_hour: int = Field(default=20, ge=0, description="of one account; those under way count too")
    failed_payments_per_hour_and_address: int = Field(default=60, ge=0, description="from one client address")

    gateway_url: str = "http://localhost:8005"
    gateway_api_key: SecretStr = Field(min_length=1)
    gateway_webhook_secret: SecretStr = Field(min_length=1)
    gateway_timeout_seconds: float = Field(default=10, gt=0)
