"""The Kafka topics, their keys and their configuration."""

from dataclasses import dataclass
from datetime import timedelta

# Of the topics with an order's events, for years: more can only be added while relays are held. At most this many
# processes of a service share the work.
ORDER_PARTITIONS = 24
# The largest record with its key and headers: the default limit of Kafka's producers (`max.request.size`).
MAX_RECORD_BYTES = 1024 * 1024
# A dead letter contains the whole record, and headers with the reason.
MAX_DEAD_LETTER_BYTES = MAX_RECORD_BYTES + 64 * 1024


@dataclass(frozen=True)
class Topic:
    """A topic. Without `retention` it is compacted: the latest record of each key is kept forever.

    `writers` and `readers` are services, such as `order`. The broker's access control list, the sources that consumers
    trust, and the table in docs/events.md are made from them.
    """

    name: str
    key: str
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    partitions: int = 6
    retention: timedelta | None = timedelta(days=14)
    max_record_bytes: int = MAX_RECORD_BYTES

    @property
    def compacted(self) -> bool:
        return self.retention is None

    @property
    def trusted_sources(self) -> frozenset[str]:
        """The `ce_source` of each writer. Consumers reject events from other sources."""
        return frozenset(f"/{writer}_service" for writer in self.writers)

    @property
    def dlq(self) -> "Topic":
        """The dead-letter topic, for records that could not be handled."""
        return Topic(
            name=f"{self.name}.dlq",
            key=self.key,
            writers=self.readers,
            readers=(),
            partitions=1,
            retention=timedelta(days=30),
            max_record_bytes=MAX_DEAD_LETTER_BYTES,
        )

    def config(self) -> dict[str, str]:
        """The topic's Kafka configuration, as an admin client takes it."""
        config = {"max.message.bytes": str(self.max_record_bytes)}
        if self.retention is not None:
            return config | {"cleanup.policy": "delete", "retention.ms": _ms(self.retention)}
        # Kafka never compacts the open segment, and closes it at the first record after `segment.ms`. The terminal
        # event of an erased account is published again, so that its data is removed even if there is no other traffic.
        return config | {
            "cleanup.policy": "compact",
            "min.cleanable.dirty.ratio": "0.1",
            "max.compaction.lag.ms": _ms(timedelta(days=1)),
            "segment.ms": _ms(timedelta(days=1)),
        }


def _ms(duration: timedelta) -> str:
    return str(duration // timedelta(milliseconds=1))


USERS = Topic(
    "users", key="user id", writers=("user",), readers=("product", "inventory", "order", "notification"), retention=None
)
PRODUCTS = Topic("products", key="product id", writers=("product",), readers=("order", "inventory"), retention=None)
STOCK_LEVELS = Topic(
    "stock_levels", key="product id", writers=("inventory",), readers=("product", "order"), retention=None
)
INVENTORY_DEDUCTION = Topic(
    "inventory_deduction",
    key="order id",
    writers=("order", "inventory"),
    readers=("inventory", "order"),
    partitions=ORDER_PARTITIONS,
)
ORDER_NOTIFICATION = Topic(
    "order_notification",
    key="order id",
    writers=("order",),
    readers=("notification", "product"),
    partitions=ORDER_PARTITIONS,
)
# The order service also reads reports of outside payment systems, which a setting declares as trusted.
PAYMENT_STATUS = Topic(
    "payment_status", key="order id", writers=("order",), readers=("notification", "order"), partitions=ORDER_PARTITIONS
)
SHIPMENT_NOTIFICATION = Topic(
    "shipment_notification",
    key="order id",
    writers=("inventory",),
    readers=("order", "notification"),
    partitions=ORDER_PARTITIONS,
)

TOPICS = (
    USERS,
    PRODUCTS,
    STOCK_LEVELS,
    INVENTORY_DEDUCTION,
    ORDER_NOTIFICATION,
    PAYMENT_STATUS,
    SHIPMENT_NOTIFICATION,
)


def all_topics() -> tuple[Topic, ...]:
    """Every topic that has to exist: the topics above, and the dead-letter topic of each."""
    return TOPICS + tuple(topic.dlq for topic in TOPICS)
