"""docs/events.md is generated from the code."""

from contracts.document import PATH, document
from contracts.events import EVENTS


def test_document_is_up_to_date() -> None:
    assert PATH.read_text() == document(), "run: python -m contracts.document"


def test_document_has_every_event() -> None:
    text = document()
    for event in EVENTS:
        assert f"### {event.type}\n" in text
