"""Creates `.env` from `.env.example`, with random secrets, and reads it."""

import os
import re
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

from dotenv import dotenv_values

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / ".env.example"

_ASSIGNMENT = re.compile(r"^([A-Z][A-Z0-9_]*)=(.*)$")
# If the comment above a block of settings contains this, the empty settings of the block get random values.
_GENERATED = "(generated)"


def ensure(file: Path, overrides: Mapping[str, str] | None = None, example: Path = EXAMPLE) -> dict[str, str]:
    """Adds missing settings to `file`, fills empty secrets, and reads it; existing values stay. `overrides` replace the
    example's values, not those in the file."""
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
    """The settings that get a random value on every machine."""
    return {
        name
        for block in _blocks(example.read_text())
        if _GENERATED in block.comment
        for name in block.values
        if not block.values[name]
    }


def read(file: Path) -> dict[str, str]:
    return {name: value for name, value in dotenv_values(file).items() if value}


def assign(file: Path, name: str, value: str) -> None:
    """Changes one setting, which `ensure` has written."""
    lines = file.read_text().splitlines()
    _write(file, "\n".join(f"{name}={value}" if line.startswith(f"{name}=") else line for line in lines) + "\n")


class _Block:
    """A comment, and the assignments below it that it applies to."""

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
    """Replaces the file atomically, in such a way that other users can never read it."""
    if file.exists() and file.read_text() == text:
        file.chmod(0o600)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as output:
        output.write(text)
    draft.replace(file)
