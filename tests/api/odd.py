"""Valid requests with one extreme or malformed value each, made from the OpenAPI document."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

Json = Any

NUMBERS = (0, -1, 2**31, 2**63, 10**30, -(10**30), 0.5, 1e308)
TEXTS = ("", "\x00", "a\x00b", "\ud800", "\u202e\N{PILE OF POO}", "x" * 10_000, "0001-01-01T00:00:00+14:00",
         "9999-12-31T23:59:59-14:00", "2026-01-01T00:00:00")  # fmt: skip
OTHERS: tuple[Json, ...] = (None, True, [], {}, ["\x00"], {"\x00": "\x00"})
_FIRST: tuple[Json, ...] = (2**31, 10**30, "\x00", "2026-01-01", "0001-01-01T00:00:00+14:00", None, [], {})
CURSORS: tuple[Json, ...] = (
    *([value, str(uuid4())] for value in _FIRST),
    *([value] for value in _FIRST),
    ["name", "\x00", str(uuid4())],
    ["price", 10**30, str(uuid4())],
    ["-created_at", "2026-01-01T00:00:00", str(uuid4())],
    7,
    None,
    {},
)
BODIES = (
    b"",
    b"NaN",
    b"[" * 50_000,
    b"{",
    b'"\xff"',
    b'{"a":1,"a":2}',
    b"\xef\xbb\xbf{}",
    b"null",
    b'"\\u0000"',
    b"1e999",
)
HEADERS = {"if-match": ('"', "*, *", '"999999999999999999999"', "W/"), "prefer": ("wait=\xb2", "wait=" + "9" * 40),
           "idempotency-key": ("x" * 256, "\xe9"), "if-none-match": ('"' * 999, "\xff")}  # fmt: skip


@dataclass(frozen=True)
class Request:
    """`odd` describes the extreme value."""

    operation: str
    method: str
    path: str
    odd: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None


def requests(document: dict[str, Any], ids: dict[str, str]) -> Iterator[Request]:
    """All requests for the operations of the document. `ids`: existing ids, by name of the parameter or field."""
    for path, operations in document["paths"].items():
        shared = operations.get("parameters", [])
        for method, operation in operations.items():
            yield from _of_operation(
                document, method, path, operation, [*shared, *operation.get("parameters", [])], ids
            )


def _of_operation(
    document: dict[str, Any],
    method: str,
    template: str,
    operation: dict[str, Any],
    parameters: list[dict[str, Any]],
    ids: dict[str, str],
) -> Iterator[Request]:
    name = f"{method.upper()} {template}"
    path = _filled(template, parameters, ids)
    headers = {"Idempotency-Key": "k"}
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    body = None if schema is None else _known(_sample(document, schema), ids)
    content = None if schema is None else _json(body)
    for parameter in parameters:
        wanted = parameter["name"]
        if parameter["in"] == "path":
            for text in _as_words():
                other = _filled(template, parameters, {**ids, wanted: text or "%20"})
                yield Request(name, method, other, f"{wanted}={text[:40]!r}", headers=headers, body=content)
        elif parameter["in"] == "query":
            for text in (*_as_words(), *(map(_cursor, CURSORS) if wanted == "cursor" else ())):
                yield Request(name, method, path, f"{wanted}={text[:40]!r}", {wanted: text}, headers, content)
        else:
            for text in HEADERS.get(wanted.lower(), ()):
                yield Request(name, method, path, f"{wanted}: {text!r}", {}, {**headers, wanted: text}, content)
    if schema is not None:
        for raw in BODIES:
            yield Request(name, method, path, f"body {raw[:20]!r}", headers=_new_key(), body=raw)
        for place, value, changed in _changed(document, schema, body):
            words = f"{place} = {str(value)[:40]!r}"
            yield Request(name, method, path, words, headers=_new_key(), body=_json(changed))


def _as_words() -> Iterator[str]:
    """Values for URLs, in which numbers are texts, too. A lone surrogate cannot be encoded in a URL."""
    yield from (str(number) for number in NUMBERS)
    yield from (text for text in TEXTS if text != "\ud800" and len(text) < 1_000)


def _new_key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid4()), "Content-Type": "application/json"}


def _json(value: Json) -> bytes:
    return json.dumps(value).encode()


def _cursor(values: Json) -> str:
    return base64.urlsafe_b64encode(_json(values)).decode().rstrip("=")


def _filled(template: str, parameters: list[dict[str, Any]], ids: dict[str, str]) -> str:
    for parameter in parameters:
        if parameter["in"] == "path":
            name = parameter["name"]
            template = template.replace(f"{{{name}}}", _quoted(ids.get(name, str(uuid4()))))
    return template


def _quoted(text: str) -> str:
    return "".join(
        f"%{byte:02X}" if byte < 33 or byte > 126 or chr(byte) in "/?#" else chr(byte) for byte in text.encode()
    )


def _changed(document: dict[str, Any], schema: Json, whole: Json) -> Iterator[tuple[str, Json, Json]]:
    """The path, the extreme value, and the whole body with it."""
    for place in _places(document, schema):
        for value in (*NUMBERS, *TEXTS, *OTHERS):
            yield ".".join(map(str, place)), value, _with(whole, place, value)


def _places(document: dict[str, Any], schema: Json, depth: int = 0) -> Iterator[tuple[str | int, ...]]:
    """The path of every value in a body; of lists, only the first item."""
    schema = _resolved(document, schema)
    if depth > 5:
        return
    for name, below in schema.get("properties", {}).items():
        yield (name,)
        for place in _places(document, below, depth + 1):
            yield (name, *place)
    if "items" in schema:
        yield (0,)
        for place in _places(document, schema["items"], depth + 1):
            yield (0, *place)


def _with(whole: Json, place: tuple[str | int, ...], value: Json) -> Json:
    if not place:
        return value
    first, rest = place[0], place[1:]
    if isinstance(first, int):
        listed = list(whole) if isinstance(whole, list) and whole else [None]
        return [_with(listed[0], rest, value), *listed[1:]]
    known = whole if isinstance(whole, dict) else {}
    return {**known, first: _with(known.get(first), rest, value)}


def _sample(document: dict[str, Any], schema: Json) -> Json:
    """The example in the document, or the smallest value that the schema accepts."""
    schema = _resolved(document, schema)
    if "example" in schema or schema.get("examples"):
        return schema.get("example") or schema["examples"][0]
    if "properties" in schema:
        wanted = schema.get("required", [])
        return {name: _sample(document, below) for name, below in schema["properties"].items() if name in wanted}
    if "items" in schema:
        return [_sample(document, schema["items"])] if schema.get("minItems") else []
    return (schema.get("enum") or [{"integer": 1, "number": 1.5, "boolean": True}.get(schema.get("type"), "x")])[0]


def _known(body: Json, ids: dict[str, str]) -> Json:
    """The sample, with existing ids where they are known."""
    if isinstance(body, dict):
        return {name: ids[name] if name in ids else _known(below, ids) for name, below in body.items()}
    return [_known(below, ids) for below in body] if isinstance(body, list) else body


def _resolved(document: dict[str, Any], schema: Json) -> Json:
    """Follows `$ref`; of alternatives it takes the first one that is not null."""
    while True:
        if "$ref" in schema:
            found = document
            for part in schema["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            schema = found
        elif several := schema.get("anyOf") or schema.get("oneOf"):
            schema = next(each for each in several if each.get("type") != "null")
        else:
            return schema
