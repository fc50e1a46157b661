"""The tables of the notification service: each domain's, and the kit's."""

from notification_service.base import Base
from notification_service.deliveries import models as deliveries
from notification_service.notifications import models as notifications
from notification_service.preferences import models as preferences
from notification_service.recipients import models as recipients
from service_kit.database import add_kit_tables

metadata = Base.metadata
add_kit_tables(metadata)

__all__ = ["Base", "deliveries", "metadata", "notifications", "preferences", "recipients"]
