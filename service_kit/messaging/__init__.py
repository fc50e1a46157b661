"""Publishes events by a transactional outbox and its relay, and consumes them in batches with an inbox.

No committed event is lost, and each takes effect once, even if processes crash. The way of an event:

    outbox → relay → producer → Kafka → consumer → processing (inbox, handlers) → retry queue (what failed)
"""

from service_kit.messaging.envelope import Envelope
from service_kit.messaging.subscriptions import consumes

__all__ = ["Envelope", "consumes"]
