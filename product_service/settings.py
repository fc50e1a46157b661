"""The settings of the product service."""

from typing import Literal

from pydantic import Field

from service_kit.settings import ServiceSettings


class Settings(ServiceSettings, service="product"):
    port: int = 8003
    operations_port: int = 18003
    fetch_max_wait_ms: int = 100
    reviews_verified_only: bool = Field(
        default=False, description="only customers who have received a product can review it"
    )
    reviews_of_erased: Literal["keep", "delete"] = Field(
        default="keep", description="the published reviews of erased accounts: kept without a name, or deleted"
    )
