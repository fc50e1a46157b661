"""Settings of the inventory service."""

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from inventory_service.shipments.tracking import check_template, read_templates
from service_kit.settings import ServiceSettings

Template = Annotated[str, AfterValidator(check_template)]


class Settings(ServiceSettings, service="inventory"):
    port: int = 8004
    operations_port: int = 18004

    tracking_urls: Annotated[dict[str, Template], BeforeValidator(read_templates)] = Field(
        default_factory=dict, description="an https URL for each carrier, with the placeholder `{tracking_number}`"
    )
    returns_arrive_within: timedelta = Field(
        default=timedelta(days=60),
        gt=timedelta(0),
        description="a return that has not arrived after this time is closed",
    )
