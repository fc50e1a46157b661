"""After the database was restored to an earlier moment: notifications are made again from the topics.

E-mails that were sent since the moment are sent again, with the same Message-ID. Preferences, and what was marked as
read, are as they were at the moment.
"""

from notification_service.settings import Settings
from service_kit.database import Transaction
from service_kit.recovery import Journal, Recovery


async def recover(tx: Transaction, journal: Journal, settings: Settings) -> None:
    """Nothing: the service publishes nothing, and its consumer group has gone back to before the moment."""


RECOVERY = Recovery(recover)
