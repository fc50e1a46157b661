"""The tables of the product service: each domain's, and the kit's."""

from product_service.attributes import models as attributes
from product_service.availability import models as availability
from product_service.base import Base
from product_service.categories import models as categories
from product_service.collections import models as collections
from product_service.imports import models as imports
from product_service.media import models as media
from product_service.price_lists import models as price_lists
from product_service.price_rules import models as price_rules
from product_service.products import families, prices, translations
from product_service.products import models as products
from product_service.purchases import models as purchases
from product_service.related import models as related
from product_service.reviews import models as reviews
from product_service.vocabulary import models as vocabulary
from service_kit.database import add_kit_tables

metadata = Base.metadata
add_kit_tables(metadata)

__all__ = [
    "Base",
    "attributes",
    "availability",
    "categories",
    "collections",
    "families",
    "imports",
    "media",
    "metadata",
    "price_lists",
    "price_rules",
    "prices",
    "products",
    "purchases",
    "related",
    "reviews",
    "translations",
    "vocabulary",
]
