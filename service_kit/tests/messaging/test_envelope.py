"""Encoding and decoding of CloudEvents headers, and rejection of invalid ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.messaging.envelope import (
    Envelope,
    Unreadable,
    decode,
    encode,
    headers_from_json,
    headers_to_json,
)


def test_an_encoded_event_decodes_to_the_same() -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    envelope = Envelope(uuid7(), "mart.order.paid.v1", "/order_service", "subject", utcnow(), trace)
    assert decode(encode(envelope), key=b"k", timestamp_ms=0) == envelope


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("ce_id", b"1"), ("ce_source", b"/x")],
        [("ce_id", b"1"), ("ce_source", b"/x"), ("ce_type", b"other.thing.v1")],
        [("ce_id", b"1"), ("ce_source", b"/x"), ("ce_type", b"\xff\xfe")],
    ],
)
def test_a_record_without_a_valid_type_is_unreadable(headers: list[tuple[str, bytes]]) -> None:
    with pytest.raises(Unreadable):
        decode(headers, key=b"k", timestamp_ms=0)


def test_a_foreign_id_maps_to_one_uuid_per_source() -> None:
    def read(source: bytes) -> Envelope:
        headers = [("ce_id", b"pay-17"), ("ce_source", source), ("ce_type", b"mart.payment.succeeded.v1")]
        return decode(headers, key=b"order", timestamp_ms=1_000)

    assert read(b"/bank").id == read(b"/bank").id
    assert read(b"/bank").id != read(b"/other").id
    assert read(b"/bank").subject == "order"
    assert read(b"/bank").time.timestamp() == 1


@given(st.lists(st.tuples(st.text(alphabet="abc-_", min_size=1), st.binary())))
def test_headers_survive_json(headers: list[tuple[str, bytes]]) -> None:
    assert headers_from_json(headers_to_json(headers)) == headers
