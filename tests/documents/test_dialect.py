"""Code and documents use standard terms: no entry of `dialect.txt`, which lists the words that those replaced."""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pytest

from local_stack.environment import ROOT
from tests.documents.names import Tree

LIST = Path(__file__).with_name("dialect.txt")
# The glossary and the changelog name former words; migrations keep the words of their time.
EXEMPT = re.compile(
    r"docs/glossary\.md|CHANGELOG\.md|tests/documents/(dialect\.txt|test_dialect\.py)"
    r"|.*/migrations/|tests/upgrades/|contracts/examples/"
)
TEXT = {".py", ".md", ".txt", ".html", ".toml", ".yml", ".example", ".mako", ""}


class Entry(NamedTuple):
    text: str
    files: frozenset[str]

    def found(self, line: str) -> bool:
        """Words of a phrase may have any space between them. An underscore is part of a word."""
        pattern = r"\s+".join(map(re.escape, self.text.split()))
        flags = re.IGNORECASE if self.text == self.text.lower() else 0
        return re.search(rf"(?<!\w){pattern}(?!\w)", line, flags) is not None


def _entries(text: str) -> Iterator[Entry]:
    for line in text.splitlines():
        entry, _, files = line.partition("|")
        if entry.strip() and not entry.startswith("#"):
            yield Entry(entry.strip(), frozenset(files.split()))


def _faults(path: str, text: str, entries: list[Entry]) -> Iterator[str]:
    lowered = text.lower()
    likely = [each for each in entries if each.text.split()[0].lower() in lowered and path not in each.files]
    for number, line in enumerate(text.splitlines(), 1):
        yield from (f"{path}:{number}: {each.text}: {line.strip()[:150]}" for each in likely if each.found(line))


ENTRIES = list(_entries(LIST.read_text()))


def test_former_names_are_not_used() -> None:
    files = [PurePosixPath(name) for name in Tree(ROOT, (), (), (), (), ()).files]
    read = [path for path in files if path.suffix in TEXT and not EXEMPT.match(str(path))]
    assert len(read) > 500
    faults = [fault for path in read for fault in _faults(str(path), (ROOT / path).read_text(), ENTRIES)]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    "line",
    [
        "async def f(tx: HotTx) -> None:",
        "# Either door will do.",
        '"""A parked  event."""',
        "Stock is given back.",
        "TWIN",
    ],
)
def test_a_former_name_is_found(line: str) -> None:
    assert list(_faults("service_kit/anything.py", line, ENTRIES))


@pytest.mark.parametrize(
    "line", ["async def f(tx: Transaction) -> None:", "outdoors", "tx = 1", "the parked_events table"]
)
def test_another_name_passes(line: str) -> None:
    assert not list(_faults("service_kit/anything.py", line, ENTRIES))


def test_every_exception_is_needed() -> None:
    for each in ENTRIES:
        for file in each.files:
            assert any(map(each.found, (ROOT / file).read_text().splitlines())), f"{each.text}: not in {file}"
