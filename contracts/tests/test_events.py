"""Every event is declared completely, and bodies of all earlier versions can still be read."""

import json
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import ValidationError, create_model

from contracts import examples
from contracts.events import EVENTS, Event, by_type, inventory_deduction, order_notification, payment_status
from contracts.topics import ORDER_NOTIFICATION, TOPICS

ALL_EXAMPLES = list(examples.paths())
NOTIFY_CUSTOMER = {
    "mart.order.placed.v1",
    "mart.order.rejected.v1",
    "mart.order.awaiting_payment.v1",
    "mart.order.paid.v1",
    "mart.order.cancelled.v1",
    "mart.order.expired.v1",
    "mart.payment.failed.v1",
    "mart.payment.refunded.v1",
    "mart.shipment.dispatched.v1",
    "mart.shipment.delivered.v1",
    "mart.shipment.corrected.v1",
    "mart.shipment.lost.v1",
    "mart.return.closed.v1",
    "mart.return.approved.v1",
    "mart.return.refused.v1",
    "mart.return.received.v1",
    "mart.invoice.issued.v1",
}


def of(type: str) -> type[Event]:
    model = by_type(type)
    assert model is not None, f"{type} has an example and no model: whoever reads old records needs it"
    return model


def test_catalogue_and_examples_name_the_same_types() -> None:
    assert len(EVENTS) >= 37
    assert {event.type for event in EVENTS} == {type for type, _, _ in ALL_EXAMPLES}


@pytest.mark.parametrize(("type", "path"), [(type, path) for type, _, path in ALL_EXAMPLES], ids=str)
def test_every_example_validates_and_survives_a_round_trip(type: str, path: Path) -> None:
    event = of(type).model_validate_json(path.read_bytes())
    assert of(type).model_validate_json(event.model_dump_json()) == event


def test_examples_name_orders_as_the_shop_does() -> None:
    """A sequence from 100001 on."""
    numbers = [json.loads(path.read_bytes()).get("number", "100001") for _, _, path in ALL_EXAMPLES]
    assert not [number for number in numbers if not number.isdigit() or int(number) < 100_001]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_newest_example_shows_every_field_as_it_is_written(event: type[Event]) -> None:
    body = examples.newest(event.type).read_text()
    assert json.loads(event.model_validate_json(body).model_dump_json()) == json.loads(body)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_unknown_fields_are_ignored_at_every_depth(event: type[Event]) -> None:
    body = json.loads(examples.newest(event.type).read_text())
    assert event.model_validate(_with_unknown_fields(body)) == event.model_validate(body)


def _with_unknown_fields(value: object) -> object:
    if isinstance(value, dict):
        return {name: _with_unknown_fields(part) for name, part in value.items()} | {"not_known_yet": {"a": 1}}
    if isinstance(value, list):
        return [_with_unknown_fields(part) for part in value]
    return value


@pytest.mark.parametrize(
    ("event", "added"),
    [
        (inventory_deduction.ReservationRequested, {"only_warehouse_id"}),
        (inventory_deduction.FulfilmentRequested, {"only_warehouse_id", "shipping"}),
    ],
)
def test_consumers_and_producers_of_the_release_before_understand_each_other(
    event: type[Event], added: set[str]
) -> None:
    """Fields that one side lacks are ignored by it, and are null for the other."""
    body = json.loads(examples.newest(event.type).read_text())
    kept = {name: (field.annotation, field) for name, field in event.model_fields.items() if name not in added}
    former = create_model(event.__name__, __config__=event.model_config, **kept)  # type: ignore[call-overload]
    read = former.model_validate(body)
    assert set(type(read).model_fields) == event.model_fields.keys() - added
    sent = event.model_validate_json(read.model_dump_json())
    assert {getattr(sent, name) for name in added} == {None}


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_the_record_key_is_the_field_that_the_topic_names(event: type[Event]) -> None:
    body = json.loads(examples.newest(event.type).read_text())
    parsed = event.model_validate(body)
    assert event.topic in TOPICS
    assert parsed.key == body[event.topic.key.replace(" ", "_")]
    assert parsed.subject == body[event.subject_field]
    assert event.__module__ == f"contracts.events.{event.topic.name}"


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_every_event_is_described_and_has_a_type_and_a_source(event: type[Event]) -> None:
    # Without a docstring of its own, a class has that of its base, which doesn't say when the event is published.
    assert event.__dict__.get("__doc__")
    assert event.type.startswith("mart.")
    assert event.source in {"/user_service", "/product_service", "/inventory_service", "/order_service"}


def test_subjects_are_the_aggregates_whose_version_the_event_carries() -> None:
    assert {(event.topic.name, event.subject_field) for event in EVENTS} == {
        ("users", "user_id"),
        ("products", "product_id"),
        ("stock_levels", "product_id"),
        ("inventory_deduction", "order_id"),
        ("order_notification", "order_id"),
        ("order_notification", "invoice_id"),
        ("payment_status", "payment_id"),
        ("shipment_notification", "shipment_id"),
        ("shipment_notification", "return_id"),
    }


def test_only_what_ends_an_id_is_terminal() -> None:
    """Terminal events belong on compacted topics, where each key has one subject and only its last record stays."""
    last = [event for event in EVENTS if event.terminal]
    assert {event.type for event in last} == {"mart.user.erased.v1", "mart.user.merged.v1", "mart.product.deleted.v1"}
    assert all(event.key_field == event.subject_field and event.topic.compacted for event in last)


def test_customers_are_notified_of_exactly_these_events() -> None:
    assert {event.type for event in EVENTS if event.notifies_customer} == NOTIFY_CUSTOMER


def test_every_event_that_notifies_a_customer_names_customer_and_order() -> None:
    for event in EVENTS:
        if event.notifies_customer:
            assert {"customer_id", "number", "order_id"} <= event.model_fields.keys(), event.type


def test_the_customer_is_read_and_written_under_the_former_name_too() -> None:
    """Dead letters of an older version may still be replayed."""
    of_customer = [event for event in EVENTS if "customer_id" in event.model_fields]
    assert len(of_customer) > 20
    for event in of_customer:
        written = json.loads(event.model_validate_json(examples.newest(event.type).read_text()).model_dump_json())
        assert written["user_id"] == written["customer_id"], event.type
        former = {name: value for name, value in written.items() if name != "customer_id"}
        latter = {name: value for name, value in written.items() if name != "user_id"}
        assert event.model_validate(former) == event.model_validate(latter), event.type


def test_requests_come_from_order_and_answers_from_inventory() -> None:
    assert inventory_deduction.ReleaseRequested.source == "/order_service"
    assert inventory_deduction.ReleaseRefused.source == "/inventory_service"


def test_outside_payment_report_needs_neither_customer_nor_version() -> None:
    report = payment_status.PaymentRefunded.model_validate(
        {"payment_id": uuid4(), "order_id": uuid4(), "amount": {"amount": 5, "currency": "GBP"}, "reference": "re_1"}
    )
    assert (report.version, report.user_id, report.number, report.refund_id) == (0, None, None, None)


def test_event_can_not_be_changed() -> None:
    event = inventory_deduction.ReservationReleased(order_id=uuid4(), version=1)
    with pytest.raises(ValidationError):
        event.version = 2  # type: ignore[misc]


def test_a_type_can_be_declared_only_once() -> None:
    with pytest.raises(TypeError, match=r"mart\.order\.placed\.v1 is OrderPlaced already"):

        class Again(order_notification.OrderEvent, type="mart.order.placed.v1"):
            """A second of the same name."""

    assert by_type("mart.order.placed.v1") is order_notification.OrderPlaced


def test_key_has_to_be_a_field() -> None:
    with pytest.raises(TypeError, match="has no field shop_id"):

        class Opened(
            Event,
            type="mart.shop.opened.v1",
            topic=ORDER_NOTIFICATION,
            source="/order_service",
            key="shop_id",
            subject="shop_id",
        ):
            """Has no shop_id."""

    assert by_type("mart.shop.opened.v1") is None


def test_an_event_without_a_topic_is_an_error() -> None:
    with pytest.raises(TypeError, match="has no topic"):

        class Homeless(Event, type="mart.homeless.v1", source="/order_service", key="version", subject="version"):
            """Has no topic."""


def test_unknown_type_has_no_model() -> None:
    assert by_type("mart.order.placed.v99") is None
