"""Golden examples: bodies as they are published, `<type>.json`, kept as long as their type.

When a type gains a field, an example with it is added as `<type>.2.json`, `.3.json` and so on; the earlier ones stay.
"""

import re
from collections.abc import Iterator
from pathlib import Path

_NAME = re.compile(r"(?P<type>mart\..+\.v\d+?)(?:\.(?P<revision>\d+))?\.json")


def paths() -> Iterator[tuple[str, int, Path]]:
    """Each example's type, its revision (1 for the first) and where it is, the earliest of a type first."""
    found = []
    for path in Path(__file__).parent.glob("*.json"):
        name = _NAME.fullmatch(path.name)
        if name is None:
            raise ValueError(f"{path.name} is not named <type>.json or <type>.<revision>.json")
        found.append((name["type"], int(name["revision"] or 1), path))
    yield from sorted(found)


def newest(type: str) -> Path:
    """The example with every field that the type has now."""
    return [path for of, _, path in paths() if of == type][-1]
