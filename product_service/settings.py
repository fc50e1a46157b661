"""The settings of the product service."""

from pydantic import Field

from service_kit.settings import ServiceSettings


class Settings(ServiceSettings, service="product"):
    port: int = 8003
    operations_port: int = 18003
    fetch_max_wait_ms: int = 100

    prior_price_days: int = Field(
        default=30, ge=1, le=366, description="how many days before a reduction its prior price is the lowest price of"
    )
    prior_price_progressive: bool = Field(
        default=False,
        description="a reduction that is increased without a break keeps the prior price of its first step",
    )
