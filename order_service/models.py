"""The tables of the order service: each domain's, and the kit's."""

from order_service.annotations import models as annotations
from order_service.base import Base
from order_service.carts import models as carts
from order_service.catalogue import models as catalogue
from order_service.drafts import models as drafts
from order_service.invoices import models as invoices
from order_service.orders import models as orders
from order_service.payment_links import models as payment_links
from order_service.payments import models as payments
from order_service.promotions import models as promotions
from order_service.returns import models as returns
from order_service.rules import models as rules
from order_service.search import models as search
from order_service.shipping import models as shipping
from order_service.taxes import models as taxes
from service_kit.database import add_kit_tables

metadata = Base.metadata
add_kit_tables(metadata, account_columns=catalogue.CUSTOMER_COLUMNS)
for index in catalogue.CUSTOMER_INDEXES:
    metadata.tables["account_status"].append_constraint(index)

__all__ = [
    "Base", "annotations", "carts", "catalogue", "drafts", "invoices", "metadata", "orders", "payment_links",
    "payments", "promotions", "returns", "rules", "search", "shipping", "taxes",
]  # fmt: skip
