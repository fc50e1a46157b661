"""Where rows begin and end, however the file is divided."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from product_service.imports.records import MAX_RECORD_BYTES, cell, cells, end_of_record, values
from service_kit.csv_lines import csv_lines


def split(content: bytes, format: str = "csv", size: int | None = None) -> list[bytes]:
    """The rows of a file that is read in parts of this size."""
    size = size or len(content)
    buffer, rows, start, read = b"", [], 0, 0
    while start < len(content):
        end = end_of_record(buffer, start, format, is_last=read >= len(content))
        if end is None:
            read += size
            buffer = content[:read]
            continue
        rows.append(content[start:end])
        start = end
    return rows


@given(
    st.lists(st.lists(st.text(alphabet="a\"',\n\r =", max_size=5), min_size=2, max_size=3), min_size=1, max_size=6),
    st.integers(1, 40),
)
def test_what_csv_lines_writes_is_read_in_parts_of_any_size(rows: list[list[str]], size: int) -> None:
    found = split(csv_lines(rows).encode(), size=size)
    assert [values(each, list("xyz")[: len(row)]) for each, row in zip(found, rows, strict=True)] == [
        dict(zip("xyz", [text or None for text in row], strict=False)) for row in rows
    ]


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_an_open_quotation_mark_breaks_its_line_alone(size: int) -> None:
    lines = [b'a,"b\n', b"c,d\n", b'5" pipe,e\n', b'6" pipe,f\n', b'g,"two\nlines"\n', b"h,i"]
    assert split(b"".join(lines), size=size) == lines


def test_a_line_without_end_is_cut() -> None:
    content = b"x" * (MAX_RECORD_BYTES + 5)
    assert [len(each) for each in split(content, "jsonl", size=256 * 1024)] == [MAX_RECORD_BYTES, 5]


@given(st.one_of(st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False),
                 st.text(), st.sampled_from(["1", "-1.5e3", "true", "null", '"', '"a"', "'=", "", " 1"])))  # fmt: skip
def test_an_attribute_keeps_its_type(value: Any) -> None:
    if isinstance(value, str):
        value = value.encode(errors="ignore").decode().replace("\x00", "")
    [line] = split(csv_lines([[cell("attribute:x", value), "end"]]).encode())
    found = values(line, ["attribute:x", "end"])["attribute:x"]
    assert json.dumps(found) == json.dumps(value if value != "" else None)


def test_cells_of_a_last_line_without_a_line_break() -> None:
    assert cells(b'a,"b\r\nc",') == ["a", "b\r\nc", ""]
