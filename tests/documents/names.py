"""Finds names in Markdown documents that do not exist in the tree.

It checks links, `localhost:8002/…` addresses and text in backticks: files, operations, permissions, events, `make`
targets, and any other single name, which must occur in the code, its data or the settings.
"""

import fnmatch
import re
import subprocess
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

LINK = re.compile(r"\]\(([^)\s]+)\)")
ADDRESS = re.compile(r"localhost:(\d{4,5})(/[^\s'\"`)>\\?]*)?")
SPAN = re.compile(r"`([^`\n]+)`")
OPERATION = re.compile(r"^((?:GET|HEAD|POST|PUT|PATCH|DELETE)(?:/(?:GET|HEAD|POST|PUT|PATCH|DELETE))*) (/\S*)$")
PERMISSION = re.compile(r"^[a-z][a-z-]*:[a-z-]+(?::any)?$")
EVENT = re.compile(r"^(?:mart\.)?([a-z_]+)\.([a-z_]+)(?:\.v\d+)?$")
MAKE = re.compile(r"make ([a-z][a-z-]*)((?: \[?[A-Z_]+=\S*)*)")
FILE = re.compile(r"^[\w.<>*-]+(?:/[\w.<>*-]+)*(?:/|\.(?:py|md|toml|yml|yaml|lock|json|txt|html|csv|gz|sql|ini|env))?$")
SUFFIX = re.compile(r"\.(?:py|md|toml|yml|yaml|lock|json|txt|html|csv|gz|sql|ini)$")
NAME = re.compile(r"^[A-Za-z_][\w-]*(?:\.[A-Za-z_]\w*)*(?:\(\))?$")
NOT_IN_GIT = (".local", ".venv", ".env", "path.csv.gz")
"""Files that exist only while the shop runs, or that stand for a file of the reader."""
FOREIGN_NAMES = frozenset(
    {"alembic.ini", "malloc_trim", "MALLOC_ARENA_MAX", "onlineretail", "DOT", "pycountry", "babel", "mod_reqtimeout"}
)
"""Names of other projects that documents mention and the code does not."""


@dataclass(frozen=True)
class Tree:
    """The names that documents may use.

    `operations`: method and path, with parameters as `{…}`; `events`: full types (`mart.order.placed.v1`);
    `sources`: of events (`/order_service`); `settings`: the names of environment variables.
    """

    root: Path
    operations: Collection[tuple[str, str]]
    permissions: Collection[str]
    events: Collection[str]
    sources: Collection[str]
    settings: Collection[str]

    @cached_property
    def files(self) -> list[str]:
        """The files that git tracks, and new ones."""
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=True)
        return [name for name in listed.stdout.splitlines() if (self.root / name).is_file()]

    @property
    def documents(self) -> list[str]:
        """All Markdown files except the changelog, which contains former names."""
        return [name for name in self.files if name.endswith(".md") and name != "CHANGELOG.md"]

    @cached_property
    def directories(self) -> set[str]:
        return {str(parent) for name in self.files for parent in PurePosixPath(name).parents} - {"."}

    @cached_property
    def words(self) -> set[str]:
        """Every name in code, data and settings, with and without hyphens. Names in documents do not count."""
        found: set[str] = set()
        for name in self.files:
            if not name.endswith(".md") and not name.startswith("tests/documents/"):
                text = (self.root / name).read_bytes().decode(errors="ignore")
                found.update(re.findall(r"\w+", text), re.findall(r"[A-Za-z_][\w-]*\w", text))
        return found

    @cached_property
    def targets(self) -> set[str]:
        return set(re.findall(r"^([a-z-]+):", (self.root / "Makefile").read_text(), re.MULTILINE))

    @cached_property
    def event_subjects(self) -> set[str]:
        return {_without_frame(event).split(".")[0] for event in self.events}


def missing(tree: Tree, document: str, text: str) -> Iterator[str]:
    """The names in `text` that do not exist, as `document:line: problem`."""
    is_code = False
    for number, line in enumerate(text.splitlines(), 1):
        is_code ^= line.startswith("```")
        commands = [line] if is_code else SPAN.findall(line)
        for problem in (*_in_line(tree, document, line), *_in_commands(tree, commands)):
            yield f"{document}:{number}: {problem}"


def _in_commands(tree: Tree, commands: Iterable[str]) -> Iterator[str]:
    for command in commands:
        if found := MAKE.match(command):
            yield from _make(tree, *found.groups())


def _in_line(tree: Tree, document: str, line: str) -> Iterator[str]:
    for target in LINK.findall(line):
        path = target.partition("#")[0]
        if path and "://" not in target and not (tree.root / document).parent.joinpath(path).exists():
            yield f"links to {target}, which is not there"
    for _, path in ADDRESS.findall(line):
        if path and not _is_path(tree, path):
            yield f"no service has the address {path}"
    for span in SPAN.findall(line):
        yield from _in_span(tree, document, span.strip())


def _make(tree: Tree, target: str, variables: str) -> Iterator[str]:
    if target not in tree.targets:
        yield f"the Makefile has no target {target}"
    makefile = (tree.root / "Makefile").read_text()
    for variable in re.findall(r"([A-Z_]+)=", variables):
        if f"$({variable})" not in makefile and f"$(if $({variable})" not in makefile:
            yield f"the Makefile has no variable {variable}"


def _in_span(tree: Tree, document: str, span: str) -> Iterator[str]:
    if span in FOREIGN_NAMES:
        return
    kinds: list[tuple[bool, Callable[[], bool], str]] = [
        (bool(OPERATION.match(span)), lambda: _is_operation(tree, span), "no service has the operation"),
        (span.startswith("/") and " " not in span, lambda: _is_path(tree, span), "no service has the address"),
        (bool(PERMISSION.match(span)), lambda: span in tree.permissions, "there is no permission"),
        (_is_event(tree, span), lambda: _names_event(tree, span), "there is no event"),
        (_is_file(span), lambda: _exists(tree, document, span), "there is no file or folder"),
        (bool(NAME.match(span)), lambda: _is_known(tree, span), "nothing in the code is called"),
    ]
    for applies, holds, complaint in kinds:
        if applies:
            if not holds():
                yield f"{complaint} `{span}`"
            return


def _is_operation(tree: Tree, span: str) -> bool:
    methods, path = span.split(" ", 1)
    return all(_matches(tree.operations, method, path) for method in methods.split("/"))


def _is_path(tree: Tree, path: str) -> bool:
    """A list of operations may abbreviate later ones to their ends: "`POST /returns/{id}/approve`, `/reject`"."""
    if path in tree.sources or any(template.endswith(path) for _, template in tree.operations):
        return True
    return any(_matches(tree.operations, method, path) for method in ("GET", "POST", "PUT", "PATCH", "DELETE"))


def _matches(operations: Iterable[tuple[str, str]], method: str, path: str) -> bool:
    """A parameter of the operation matches any text of the document, such as a shell variable."""
    given = path.partition("?")[0].rstrip("/").split("/")
    return any(
        method in (known, "HEAD" if known == "GET" else known)
        and len(given) == len(parts := template.rstrip("/").split("/"))
        and all(part == own or part.startswith("{") for part, own in zip(parts, given, strict=True))
        for known, template in operations
    )


def _is_event(tree: Tree, span: str) -> bool:
    found = EVENT.match(span)
    return bool(found) and not SUFFIX.search(span) and found.group(1) in tree.event_subjects  # type: ignore[union-attr]


def _names_event(tree: Tree, span: str) -> bool:
    return span in tree.events if span.startswith("mart.") else span in map(_without_frame, tree.events)


def _without_frame(event: str) -> str:
    """`mart.order.placed.v1` as documents call it: `order.placed`."""
    return re.sub(r"^mart\.|\.v\d+$", "", event)


def _is_file(span: str) -> bool:
    path = span.partition("::")[0]
    return bool(FILE.match(path)) and (bool(SUFFIX.search(path)) or "/" in path)


def _exists(tree: Tree, document: str, span: str) -> bool:
    path, _, test = span.partition("::")
    if path.startswith(NOT_IN_GIT):
        return True
    pattern = re.sub(r"<[^>]*>", "*", path).rstrip("/")
    known = tree.directories if path.endswith("/") else {*tree.files, *tree.directories}
    patterns = (pattern, str(PurePosixPath(document).parent / pattern), f"*/{pattern}")
    found = [name for name in known if any(fnmatch.fnmatch(name, each) for each in patterns)]
    return bool(found) and (not test or any(f"def {test}(" in (tree.root / name).read_text() for name in found))


def _is_known(tree: Tree, span: str) -> bool:
    return span.removesuffix("_FILE") in tree.settings or all(
        part in tree.words for part in span.removesuffix("()").split(".")
    )
