"""What staff can do with deliveries."""

from uuid import UUID

from notification_service.deliveries import queries
from notification_service.deliveries.models import Delivery
from service_kit.clock import utcnow
from service_kit.database import Session
from service_kit.problems import not_found


async def send_again(tx: Session, id: UUID) -> Delivery:
    """Makes the delivery due again. Raises: NotFound, DeliveryUnderWay."""
    delivery = await queries.lock(tx, id) or not_found(Delivery, id)
    delivery.send_again(utcnow())
    return delivery
