"""Recovers orders, payments and returns from events, after the database was restored to an earlier moment.

Each order that the service has published events about since then is replayed (`service_kit/replay.py`), and then
compared with the payment gateway.
"""

from order_service.recovery.reconciliation import reconcile
from order_service.recovery.replay import recover
from service_kit.recovery import Recovery

RECOVERY = Recovery(recover, reconcile)
