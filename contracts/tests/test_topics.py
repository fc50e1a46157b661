"""The topics' configuration on the broker."""

from contracts.access import grants
from contracts.events import EVENTS
from contracts.topics import TOPICS, USERS, all_topics

DAY_MS = 24 * 60 * 60 * 1000


def test_seven_topics_and_their_dead_letters() -> None:
    names = [topic.name for topic in all_topics()]
    assert set(names) == {
        name + suffix
        for name in (
            "users",
            "products",
            "stock_levels",
            "inventory_deduction",
            "order_notification",
            "payment_status",
            "shipment_notification",
        )
        for suffix in ("", ".dlq")
    }
    assert len(names) == 14


def test_snapshots_are_compacted_and_the_rest_is_kept_14_days() -> None:
    compacted = {topic.name for topic in TOPICS if topic.config()["cleanup.policy"] == "compact"}
    assert compacted == {"users", "products", "stock_levels"}
    for topic in TOPICS:
        config = topic.config()
        assert topic.partitions == (24 if topic.key == "order id" else 6)
        if topic.name in compacted:
            assert "retention.ms" not in config
            assert int(config["max.compaction.lag.ms"]) == int(config["segment.ms"]) == DAY_MS
            assert 0 < float(config["min.cleanable.dirty.ratio"]) < 0.5
        else:
            assert config["cleanup.policy"] == "delete"
            assert int(config["retention.ms"]) == 14 * DAY_MS


def test_dead_letters_are_kept_30_days_and_have_room_for_their_headers() -> None:
    for topic in TOPICS:
        assert topic.dlq.name == f"{topic.name}.dlq"
        assert topic.dlq.partitions == 1
        assert topic.dlq.config()["cleanup.policy"] == "delete"
        assert int(topic.dlq.config()["retention.ms"]) == 30 * DAY_MS
        assert int(topic.dlq.config()["max.message.bytes"]) > int(topic.config()["max.message.bytes"])


def test_a_topics_writers_are_the_sources_of_its_events() -> None:
    for topic in TOPICS:
        assert topic.trusted_sources == {event.source for event in EVENTS if event.topic == topic}, topic.name


def test_access_is_granted_only_to_writers_and_readers() -> None:
    granted = grants("shop.")
    for topic in TOPICS:
        may = {(grant.service, grant.operation) for grant in granted if grant.name == f"shop.{topic.name}"}
        assert may == {(name, "WRITE") for name in topic.writers} | {(name, "READ") for name in topic.readers}
        letters = {(grant.service, grant.operation) for grant in granted if grant.name == f"shop.{topic.dlq.name}"}
        assert letters == {(name, "WRITE") for name in topic.readers}
    groups = {(grant.service, grant.name) for grant in granted if grant.resource == "group"}
    assert groups == {(name, f"shop.{name}_service") for name in ("product", "inventory", "order", "notification")}


def test_a_topic_without_retention_is_compacted() -> None:
    assert USERS.retention is None
    assert USERS.compacted
