"""Prometheus metrics of events in and out."""

from prometheus_client import Counter, Gauge, Histogram

PUBLISHED = Counter("events_published_total", "Acknowledged by the broker", ["topic"])
CONSUMED = Counter("events_consumed_total", "Handled and committed", ["topic", "type"])
SKIPPED = Counter("events_skipped_total", "Not for us: duplicate, own, or unknown", ["topic", "reason"])
QUEUED_FOR_RETRY = Counter("events_queued_for_retry_total", "Failed, or queued behind one that did", ["topic"])
DEAD = Counter("events_dead_total", "Given up on; a copy is in the topic's .dlq", ["topic", "reason"])
COMMIT_TO_PUBLISHED = Histogram(
    "outbox_publish_seconds",
    "From an event's creation to the broker's acknowledgement; the slowest of each group",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120),
)
BACKLOG = Gauge("outbox_backlog", "Committed and not yet published")
OLDEST = Gauge("outbox_oldest_seconds", "Age of the oldest unpublished event")
LAG = Gauge("consumer_lag", "Records not yet handled, in the partitions held by this process", ["topic"])
WAITING = Gauge(
    "retry_queue_events", "Failed events of the service that are tried again; the same in every process: max"
)
DEAD_LETTERS = Gauge("dead_letters", "Events of the service that staff must replay or discard; likewise: max")
OWNER = Gauge("relay_owner", "1 in the process that publishes the service's events")
EVENT_AGE = Histogram(
    "event_age_seconds",
    "From an event's creation to the commit of what it does here; the oldest of each batch",
    ["topic"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120, 600),
)
REBUILT = Counter("kafka_clients_rebuilt_total", "Client objects that stalled or broke", ["client"])
