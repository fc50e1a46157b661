"""The packing slip of a shipment: what belongs in the parcel and where it goes, without prices."""

from collections.abc import Mapping
from uuid import UUID

from inventory_service.catalogue.models import Product
from inventory_service.shipments.models import Shipment
from service_kit.addresses import address_lines
from service_kit.printing import Block, Column, Paper

_COLUMNS = (Column("SKU", 45), Column("Product", 110), Column("Quantity", 20, right=True), Column("Packed", 15))


def packing_slip(shipment: Shipment, products: Mapping[UUID, Product]) -> Paper:
    """With the present names of the products; a product that is unknown is printed by its id."""
    rows = []
    for line in shipment.lines:
        product = products.get(UUID(line["product_id"]))
        sku, name = (product.sku, product.name) if product else ("", line["product_id"])
        rows.append((sku, name, str(line["quantity"]), ""))
    details = [
        f"Order {shipment.number}", f"Shipment {shipment.id}", f"Made on {shipment.created_at:%-d %B %Y}",
        f"Shipments of the order: {shipment.shipments_of_order}",
    ]  # fmt: skip
    return Paper(
        title=f"Packing slip for order {shipment.number}",
        created_at=shipment.created_at,
        blocks=[Block("Ship to", address_lines(shipment.ship_to)), Block("Details", details)],
        columns=_COLUMNS,
        rows=rows,
        sums=[("Pieces", str(sum(line["quantity"] for line in shipment.lines)))],
    )
