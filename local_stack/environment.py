"""`.env`: made from `.env.example`, secrets at random, and read."""

import os
import re
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

from dotenv import dotenv_values

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / ".env.example"

_ASSIGNMENT = re.compile(r"^([A-Z][A-Z0-9_]*)=(.*)$")
# In the comment above a block of settings: those of the block that are empty get a random value.
_GENERATED = "(generated)"


def ensure(file: Path, overrides: Mapping[str, str] | None = None, example: Path = EXAMPLE) -> dict[str, str]:
    """Brings `file` up to date and reads it: settings that it lacks are added, empty secrets are filled, what somebody
    wrote stays. `overrides` win over the example (not over what is in the file)."""
    text = file.read_text() if file.exists() else ""
    template = list(_blocks(example.read_text()))
    secret = generated(example)
    lines = [_filled(line, secret) for line in text.splitlines()]
    known = {found[1] for line in lines if (found := _ASSIGNMENT.match(line))}
    for block in template:
        new = {name: value for name, value in block.values.items() if name not in known}
        if new:
            values = {name: (overrides or {}).get(name, value) for name, value in new.items()}
            lines += [*block.comment.splitlines(), *(f"{name}={value}" for name, value in values.items()), ""]
        elif not text and block.comment:
            lines += [*block.comment.splitlines(), ""]
    _write(file, "\n".join(_filled(line, secret) for line in lines).rstrip("\n") + "\n")
    return read(file)


def generated(example: Path = EXAMPLE) -> set[str]:
    """The settings that get a random value of their own on every machine."""
    return {
        name
        for block in _blocks(example.read_text())
        if _GENERATED in block.comment
        for name in block.values
        if not block.values[name]
    }


def read(file: Path) -> dict[str, str]:
    return {name: value for name, value in dotenv_values(file).items() if value}


class _Block:
    """Lines between two empty ones: what the comments above say holds for all assignments that follow them."""

    def __init__(self) -> None:
        self.comment = ""
        self.values: dict[str, str] = {}


def _blocks(text: str) -> Iterator[_Block]:
    """A new block begins with each comment that follows an assignment, and after an empty line."""
    block = _Block()
    for line in text.splitlines():
        assignment = _ASSIGNMENT.match(line)
        if not assignment and (block.values or (not line and block.comment)):
            yield block
            block = _Block()
        if assignment:
            block.values[assignment[1]] = assignment[2]
        elif line:
            block.comment += line + "\n"
    if block.values or block.comment:
        yield block


def _filled(line: str, generated: set[str]) -> str:
    found = _ASSIGNMENT.match(line)
    if found and found[1] in generated and not found[2].strip():
        return f"{found[1]}={secrets.token_urlsafe(24)}"
    return line


def _write(file: Path, text: str) -> None:
    """Never readable for others, not even for a moment; whole or not at all."""
    if file.exists() and file.read_text() == text:
        file.chmod(0o600)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as output:
        output.write(text)
    draft.replace(file)
