"""Renders the overlays by kustomize, and tells whether what was rendered belongs to the present sources.

The rendered files are committed, so that the checks and an installation need no kustomize. Each carries a digest of the
sources and one of its own text.
"""

import hashlib
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tools.kubernetes.names import DIRECTORY, OVERLAYS, rendered

_SOURCES = re.compile(r"^# sources: (\w+)$", re.MULTILINE)
_TEXT = re.compile(r"^# text: (\w+)\n", re.MULTILINE)
NEEDED = (
    "Rendering needs kustomize 5 (`go install sigs.k8s.io/kustomize/kustomize/v5@v5.8.2`, in the path), or a kubectl "
    'of 1.34 or newer: make kubernetes KUSTOMIZE="kubectl kustomize"'
)


class NotRendered(Exception):
    """The overlays can't be rendered; the message says what is needed, or quotes kustomize."""


def render(directory: Path = DIRECTORY) -> None:
    """Writes the rendered file of each overlay. Raises: NotRendered."""
    for overlay in OVERLAYS:
        body = _build(directory / "overlays" / overlay)
        _file(directory, overlay).write_text(header(overlay, sources(directory), body) + body)


def header(overlay: str, digest: str, body: str) -> str:
    return f"# Made by `make kubernetes` from overlays/{overlay}.\n# sources: {digest}\n# text: {_digest(body)}\n"


def _build(overlay: Path) -> str:
    command = [*shlex.split(os.environ.get("KUSTOMIZE") or "kustomize"), "build", str(overlay)]
    if "kubectl" in Path(command[0]).name:
        command.remove("build")
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise NotRendered(f"{command[0]} was not found. {NEEDED}") from error
    if done.returncode:
        raise NotRendered(f"{' '.join(command)}: {done.stderr.strip()}\n{NEEDED}")
    return done.stdout


def sources(directory: Path = DIRECTORY) -> str:
    """The digest of every file that rendering reads."""
    digest = hashlib.sha256()
    for file in sorted(directory.rglob("*")):
        name = file.relative_to(directory)
        if file.is_file() and name.parts[0] in {"base", "components", "overlays"}:
            digest.update(f"{name.as_posix()}\n{_digest(file.read_text())}\n".encode())
    return digest.hexdigest()


def outdated(directory: Path = DIRECTORY) -> Iterator[str]:
    """The rendered files that belong to other sources, or that somebody has changed."""
    present = sources(directory)
    for overlay in OVERLAYS:
        file = _file(directory, overlay)
        text = file.read_text() if file.exists() else ""
        made_of, own = _SOURCES.search(text), _TEXT.search(text)
        if made_of is None or own is None or made_of[1] != present:
            yield f"{file.name} was rendered from other sources than those in deploy/kubernetes: run `make kubernetes`"
        elif _digest(text[own.end() :]) != own[1]:
            yield f"{file.name} was changed by hand: change its sources, and run `make kubernetes`"


def _file(directory: Path, overlay: str) -> Path:
    return directory / "rendered" / rendered(overlay).name


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
