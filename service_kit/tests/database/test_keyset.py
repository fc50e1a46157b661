"""Cursors come from callers and are validated, although the service wrote them."""

import base64
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from service_kit.database.keyset import InvalidCursor, Position, encode_cursor


def cursor(values: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def test_an_encoded_cursor_decodes_to_the_same_values() -> None:
    last = ["Mug", 7, datetime(2026, 1, 2, tzinfo=UTC), uuid4()]
    assert Position(cursor=encode_cursor(last)).values(str, int, datetime, UUID) == last


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (int, 2**63),
        (int, -(10**30)),
        (int, 1.5),
        (int, True),
        (int, None),
        (str, 7),
        (str, "a\x00b"),
        (str, "\ud800"),
        (datetime, "2026-01-02T00:00:00"),
        (datetime, "0001-01-01T00:00:00+14:00"),
        (datetime, "9999-12-31T23:59:59-14:00"),
        (datetime, 7),
        (UUID, "x"),
        (UUID, 7),
    ],
)
def test_a_cursor_with_values_that_no_column_can_hold_is_rejected(kind: type, value: object) -> None:
    with pytest.raises(InvalidCursor):
        Position(cursor=cursor([value])).values(kind)


@pytest.mark.parametrize("values", [[], ["a", "b"], {}, {"a": 1}, "a", None, 7, [None], [["a"]]])
def test_a_cursor_of_another_shape_is_rejected(values: object) -> None:
    with pytest.raises(InvalidCursor):
        Position(cursor=cursor(values)).values(str)


@pytest.mark.parametrize("text", ["", "!", "a", "é", "=" * 9])
def test_a_text_that_is_no_cursor_is_rejected(text: str) -> None:
    with pytest.raises(InvalidCursor):
        Position(cursor=text).values(str)
