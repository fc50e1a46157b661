"""Writes docs/events.md from the events, topics and examples: `python -m contracts.document`."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from types import UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from contracts import examples
from contracts.events import EVENTS, Event
from contracts.topics import TOPICS, Topic

PATH = Path(__file__).parents[1] / "docs" / "events.md"

_TYPES = {"UUID": "uuid", "str": "string", "int": "integer", "bool": "boolean", "AwareDatetime": "time (RFC 3339)"}

_OPENING = """\
# Events

Generated from `contracts/` by `python -m contracts.document`; a test keeps it up to date.

Each record is a CloudEvents 1.0 event in Kafka's binary mode: the value is the JSON body below, the rest are headers:
`ce_specversion`, `ce_id` (UUIDv7; consumers skip those they have handled), `ce_source`, `ce_type`, `ce_time`,
`ce_subject`, `content-type` and `traceparent`. The body's `version` grows per source and subject. Consumers ignore
fields that they don't know, and skip types that they don't need.
"""


_TOPICS = """\
## Topics

{table}

A consumer rejects an event whose `ce_source` is not one of the writers (`/order_service` for order): it
becomes a dead letter. `payment_status` is also open to outside payment systems, each named by
`TRUSTED_PAYMENT_SOURCES`. The broker's access control list is made from this table
(`python -m service_kit acls`).

Events that could not be handled go to `<topic>.dlq` (1 partition, {dead_letters}).
"""

_EVENT = """\
### {event.type}

{words}

`{event.__name__}`, source `{event.source}`, subject `{event.subject_field}`, key `{event.key_field}`.

{notes}{fields}

```json
{example}
```
"""


def document() -> str:
    parts = [_OPENING, _topics(), _overview(), *(_topic(topic) for topic in TOPICS), _shared_parts()]
    return "\n".join(parts)


def _topics() -> str:
    rows = (
        f"[`{topic.name}`](#{topic.name}) | {topic.key} | {topic.partitions} | {_retention(topic)} | "
        f"{', '.join(topic.writers)} | {', '.join(topic.readers)}"
        for topic in TOPICS
    )
    table = _table("topic | key | partitions | kept | written by | read by", rows)
    return _TOPICS.format(table=table, dead_letters=_retention(TOPICS[0].dlq))


def _overview() -> str:
    rows = (
        f"[`{event.type}`](#{_anchor(event.type)}) | `{event.topic.name}` | {_producer(event)} | "
        f"{'yes' if event.notifies_customer else ''}"
        for topic in TOPICS
        for event in _events_of(topic)
    )
    return f"## Types\n\n{_table('type | topic | published by | customer is notified', rows)}\n"


def _topic(topic: Topic) -> str:
    access = f"Written by: {', '.join(topic.writers)}. Read by: {', '.join(topic.readers)}."
    opening = f"## {topic.name}\n\nKey: {topic.key}. Retention: {_retention(topic)}. {access}\n"
    return "\n".join([opening, *(_event(event) for event in _events_of(topic))])


def _events_of(topic: Topic) -> list[type[Event]]:
    return [event for event in EVENTS if event.topic == topic]


def _event(event: type[Event]) -> str:
    notes = "Customers are notified of it.\n\n" if event.notifies_customer else ""
    if event.terminal:
        notes += "Terminal: no event follows on its key, and earlier ones are superseded.\n\n"
    example = examples.newest(event.type).read_text().rstrip()
    return _EVENT.format(event=event, words=_words(event), notes=notes, fields=_fields(event), example=example)


def _shared_parts() -> str:
    found = {model.__name__: model for event in EVENTS for model in _models_in(event)}
    parts = (f"### {name}\n\n{_words(model)}\n\n{_fields(model)}\n" for name, model in sorted(found.items()))
    return "\n".join(["## Parts of bodies\n", *parts])


def _models_in(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for field in model.model_fields.values():
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield part
                yield from _models_in(part)


def _fields(model: type[BaseModel]) -> str:
    given = {name: (_type_of(field), field.description) for name, field in model.model_fields.items()}
    computed = {
        name: (_type_name(field.return_type), field.description) for name, field in model.model_computed_fields.items()
    }
    rows = (f"`{name}` | {kind} | {meaning or ''}" for name, (kind, meaning) in (given | computed).items())
    return _table("field | type | meaning", rows)


def _type_of(field: FieldInfo) -> str:
    return _type_name(field.annotation) + ("" if field.is_required() else ", optional")


def _type_name(annotation: object) -> str:
    inner = get_args(annotation)
    if get_origin(annotation) is list:
        return f"list of {_type_name(inner[0])}"
    if get_origin(annotation) is Annotated:
        return _type_name(inner[0])
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{value}`" for value in inner)
    if get_origin(annotation) in (UnionType, Union):
        return " or ".join("null" if part is type(None) else _type_name(part) for part in inner)
    if not isinstance(annotation, type):
        raise TypeError(f"no words for {annotation}")
    if issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{_anchor(annotation.__name__)})"
    return _TYPES[annotation.__name__]


def _words(model: type[BaseModel]) -> str:
    return "\n".join(line.strip() for line in (model.__doc__ or "").strip().splitlines())


def _producer(event: type[Event]) -> str:
    return event.source.removeprefix("/").removesuffix("_service")


def _retention(topic: Topic) -> str:
    return "the latest of each key" if topic.retention is None else f"{topic.retention // timedelta(days=1)} days"


def _anchor(heading: str) -> str:
    return heading.lower().replace(".", "")


def _table(head: str, rows: Iterable[str]) -> str:
    line = " | ".join("---" for _ in head.split(" | "))
    return "\n".join(f"| {row} |" for row in (head, line, *rows))


if __name__ == "__main__":
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(document())
