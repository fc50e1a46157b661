"""Golden examples of event bodies. Tests read them, so that consumers keep understanding what was ever published.

The first of a type is `<type>.json`. When a type gains a field, an example with it is added as `<type>.2.json`, etc.
"""

import re
from collections.abc import Iterator
from pathlib import Path

_NAME = re.compile(r"(?P<type>mart\..+\.v\d+?)(?:\.(?P<revision>\d+))?\.json")


def paths() -> Iterator[tuple[str, int, Path]]:
    """Type, revision (from 1) and path of each example, sorted by type and revision."""
    found = []
    for path in Path(__file__).parent.glob("*.json"):
        name = _NAME.fullmatch(path.name)
        if name is None:
            raise ValueError(f"{path.name} is not named <type>.json or <type>.<revision>.json")
        found.append((name["type"], int(name["revision"] or 1), path))
    yield from sorted(found)


def newest(type: str) -> Path:
    """The latest example of a type, which has all its present fields."""
    return [path for of, _, path in paths() if of == type][-1]
