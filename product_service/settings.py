"""The settings of the product service."""

import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

from service_kit.settings import CommaSeparated, Count, Period, ServiceSettings
from service_kit.text import LOCALE


def _locales(values: Sequence[str]) -> Sequence[str]:
    """Raises: ValueError."""
    if not values or not all(re.match(LOCALE, each) for each in values) or len(set(values)) < len(values):
        raise ValueError("must be different languages, separated by commas, as in: en,de,fr-CA")
    return values


class Settings(ServiceSettings, service="product"):
    port: int = 8003
    operations_port: int = 18003
    fetch_max_wait_ms: int = 100
    locales: Annotated[CommaSeparated, AfterValidator(_locales)] = Field(
        default=("en",), description="the languages of texts, comma-separated; the first is that of the main texts"
    )
    import_max_bytes: Count = Field(default=1024**3, description="of one file of products or prices")
    reviews_verified_only: bool = Field(
        default=False, description="only customers who have received a product can review it"
    )
    reviews_of_erased: Literal["keep", "delete"] = Field(
        default="keep", description="the published reviews of erased accounts: kept without a name, or deleted"
    )

    prior_price_days: int = Field(
        default=30, ge=1, le=366, description="how many days before a reduction its prior price is the lowest price of"
    )
    prior_price_progressive: bool = Field(
        default=False,
        description="a reduction that is increased without a break keeps the prior price of its first step",
    )

    media_dir: Path = Field(default=Path(".local/media"), description="the folder of images; API and worker share it")
    media_s3_bucket: str = Field(default="", description="empty: images are in MEDIA_DIR")
    media_s3_endpoint_url: str | None = Field(default=None, description="of an S3 server; default: AWS")
    media_s3_region: str = "us-east-1"
    media_s3_access_key: str = Field(default="", description="empty: what the environment gives a process of AWS")
    media_s3_secret_key: SecretStr = SecretStr("")
    media_max_bytes: Count = Field(default=20 * 1024 * 1024, description="of one uploaded image")
    media_max_pixels: Count = Field(default=25_000_000, description="of one uploaded image")
    media_decoders: Count = Field(default=1, description="how many images a process decodes at a time")
    media_decoder_mib: int = Field(default=512, ge=256, description="the address space of one decoder")
    media_grace: Period = Field(default=timedelta(days=7), description="after which an unused image is deleted")

    @property
    def media_limits(self) -> dict[str, Any]:
        """What MediaTooLarge names."""
        return {"max_bytes": self.media_max_bytes, "max_pixels": self.media_max_pixels}

    @model_validator(mode="after")
    def _key_and_secret(self) -> "Settings":
        if bool(self.media_s3_access_key) != bool(self.media_s3_secret_key.get_secret_value()):
            raise ValueError("MEDIA_S3_ACCESS_KEY and MEDIA_S3_SECRET_KEY: give both or neither")
        return self
