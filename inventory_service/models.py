"""All tables of the inventory service: those of the domains, and those of the kit."""

from inventory_service.base import Base
from inventory_service.catalogue import models as catalogue
from inventory_service.reservations import models as reservations
from inventory_service.returns import models as returns
from inventory_service.shipments import models as shipments
from inventory_service.stock import models as stock
from inventory_service.suppliers import models as suppliers
from inventory_service.warehouses import models as warehouses
from service_kit.database import add_kit_tables

metadata = Base.metadata
add_kit_tables(metadata)

__all__ = ["Base", "catalogue", "metadata", "reservations", "returns", "shipments", "stock", "suppliers", "warehouses"]
