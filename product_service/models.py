"""The tables of the product service: each domain's, and the kit's."""

from product_service.attributes import models as attributes
from product_service.availability import models as availability
from product_service.base import Base
from product_service.categories import models as categories
from product_service.products import families, prices
from product_service.products import models as products
from product_service.vocabulary import models as vocabulary
from service_kit.database import add_kit_tables

metadata = Base.metadata
add_kit_tables(metadata)

__all__ = [
    "Base",
    "attributes",
    "availability",
    "categories",
    "families",
    "metadata",
    "prices",
    "products",
    "vocabulary",
]
