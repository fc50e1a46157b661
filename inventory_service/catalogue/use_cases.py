"""What stands in the way of booking stock of a product."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from inventory_service.catalogue.models import DELETED, ProductDeleted, ProductUnknown


def check_known(product_ids: Iterable[UUID], statuses: Mapping[UUID, str | None]) -> None:
    """Raises: ProductUnknown, ProductDeleted."""
    wanted = sorted(set(product_ids))
    if unknown := [str(product_id) for product_id in wanted if statuses.get(product_id) is None]:
        raise ProductUnknown(product_ids=unknown, retry_after=1)
    if deleted := [str(product_id) for product_id in wanted if statuses[product_id] == DELETED]:
        raise ProductDeleted(product_ids=deleted)
