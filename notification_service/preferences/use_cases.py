"""Changes a customer's preferences."""

from uuid import UUID

from notification_service.channels import CHANNELS
from notification_service.preferences import queries
from notification_service.preferences.models import Preferences
from notification_service.preferences.schemas import PreferencesIn
from service_kit.concurrency import Expected
from service_kit.database import Session


async def replace(tx: Session, customer_id: UUID, wanted: PreferencesIn, expected: Expected) -> Preferences:
    """Replaces all preferences. Raises: PreconditionFailed, if they have changed since the caller read them."""
    mine = await queries.lock(tx, customer_id)
    expected.check(mine.version)
    for channel in CHANNELS:
        setattr(mine, channel.disabled_kinds, wanted.disabled_kinds(channel))
    mine.version += 1
    return mine
