"""The log lines of one trace, in the files of all parts; those that are written later follow by a search's position."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from local_stack.layout import Layout
from local_stack.parts import PARTS

MOST_LINES = 500
MOST_CHARACTERS = 4000
ROTATED = (2, 1)
"""The suffixes of rotated files, oldest first, as many as the supervisor keeps."""
# So much of the end of each current file is searched without a trace.
LAST_BYTES = 512 * 1024
# `2026-11-29T14:23:36.123456Z [info     ] request                        [service_kit.http] method=GET …`
_FOR_A_TERMINAL = re.compile(r"^(\d{4}-\d\d-\d\dT[\d:.]+Z) \[(\w+)\s*\] (.+?)\s+\[[\w.]+\] ?(.*)$")
_SHOWN_BESIDE = re.compile(r"(?:^|\s)(?:trace_id|service)=\S+")
_UNUSUAL = re.compile(rb'\[(?:warning|error|critical)\s*\]|"level":"(?:warning|error|critical)"')
_POSITION = re.compile(r"^\w+:\d{1,20}:\d{1,20}(?:,\w+:\d{1,20}:\d{1,20})*$")


@dataclass(frozen=True)
class Line:
    at: str
    service: str
    level: str
    event: str
    fields: str


@dataclass(frozen=True)
class Place:
    """Where a search has ended: in a file, which may be rotated since, and after how many bytes."""

    inode: int
    offset: int


def search(layout: Layout, trace_id: str, after: str) -> dict[str, Any]:
    """`after`: the position of an earlier search. Without a trace id: the last warnings and errors."""
    needle, known = trace_id.encode(), _places(after)

    def wanted(line: bytes) -> bool:
        return needle in line if needle else bool(_UNUSUAL.search(line))

    found: list[Line] = []
    left_out = 0
    position = []
    for part in PARTS:
        lines, end = _read(layout.log(part), known.get(part.name), wanted, whole=bool(needle))
        found += [parse(part.name, line.decode(errors="replace")) for line in lines[-MOST_LINES:]]
        left_out += max(0, len(lines) - MOST_LINES)
        if end is not None:
            position.append(f"{part.name}:{end.inode}:{end.offset}")
    found.sort(key=lambda line: line.at)
    return {
        "lines": [asdict(line) for line in found[-MOST_LINES:]],
        "left_out": left_out + max(0, len(found) - MOST_LINES),
        "position": ",".join(position),
    }


def _read(
    log: Path, start: Place | None, wanted: Callable[[bytes], bool], *, whole: bool
) -> tuple[list[bytes], Place | None]:
    """The wanted lines after `start`, which may be in a rotated file, and where they end. Without `start`: of all files
    if `whole`, or else of the end of the current one."""
    files = [path for path in (*(log.with_name(f"{log.name}.{number}") for number in ROTATED), log) if path.exists()]
    places = [Place(status.st_ino, status.st_size) for status in (path.stat() for path in files)]
    inodes = [place.inode for place in places]
    first = offset = 0
    if start is not None and start.inode in inodes:
        first, offset = inodes.index(start.inode), start.offset
    elif start is None and not whole and files:
        first, offset = len(files) - 1, max(0, places[-1].offset - LAST_BYTES)
    found: list[bytes] = []
    end = start
    for path, place in zip(files[first:], places[first:], strict=True):
        with path.open("rb") as file:
            file.seek(offset)
            for line in file:
                if not line.endswith(b"\n"):  # it is being written
                    break
                offset += len(line)
                if wanted(line):
                    found.append(line)
        end, offset = Place(place.inode, offset), 0
    return found, end


def parse(service: str, line: str) -> Line:
    """A line in one of the formats of LOG_FORMAT; any other line is an event without fields."""
    line = line.rstrip("\n")
    if line.startswith("{"):
        try:
            return _of_json(service, json.loads(line))
        except ValueError:
            return Line("", service, "", line, "")
    if found := _FOR_A_TERMINAL.match(line):
        at, level, event, fields = found.groups()
        return Line(at, service, level, event, _SHOWN_BESIDE.sub("", fields).strip()[:MOST_CHARACTERS])
    return Line("", service, "", line[:MOST_CHARACTERS], "")


def _of_json(service: str, entry: Mapping[str, Any]) -> Line:
    own = ("timestamp", "level", "event", "service", "trace_id", "logger")
    at, level, event = (str(entry.get(name, "")) for name in own[:3])
    fields = " ".join(f"{name}={value}" for name, value in entry.items() if name not in own)
    return Line(at, service, level, event, fields[:MOST_CHARACTERS])


def _places(after: str) -> dict[str, Place]:
    places = (each.split(":") for each in after.split(",")) if _POSITION.match(after) else ()
    return {name: Place(int(inode), int(offset)) for name, inode, offset in places}
