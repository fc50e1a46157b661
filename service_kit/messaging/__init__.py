"""Events in and out: a transactional outbox with its relay, and a batch consumer with an inbox.

No committed event is lost, and each takes effect once, even if processes crash in between:

    outbox → relay → producer → Kafka → consumer → processing (inbox, handlers) → retry queue (what failed)
"""

from service_kit.messaging.envelope import Envelope
from service_kit.messaging.subscriptions import consumes

__all__ = ["Envelope", "consumes"]
