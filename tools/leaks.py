"""Secrets that somebody committed by mistake: looked for in every file that git keeps."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from math import log2
from pathlib import Path

LARGEST = 2_000_000
ALLOWED = "not a secret:"
"""In the same line, with the reason: what looks like a secret and is none."""

_KNOWN = {
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s*\n[A-Za-z0-9+/=]{20}",
    "an AWS access key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a GitHub token": r"\bgh[pousr]_[A-Za-z0-9]{36,}\b|\bgithub_pat_[A-Za-z0-9_]{40,}\b",
    "a GitLab token": r"\bglpat-[A-Za-z0-9_-]{20,}\b",
    "a PyPI token": r"\bpypi-[A-Za-z0-9_-]{50,}\b",
    "a Slack token": r"\bxox[abprs]-[A-Za-z0-9-]{10,}\b",
    "a Stripe key": r"\b(?:sk|rk)_live_[A-Za-z0-9]{16,}\b|\bwhsec_[A-Za-z0-9]{24,}\b",
    "a Google API key": r"\bAIza[0-9A-Za-z_-]{35}\b",
    "a JSON Web Token": r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{20,}",
}
_PATTERNS = {what: re.compile(pattern) for what, pattern in _KNOWN.items()}
# A name that says what it holds, and something random behind it: `GATEWAY_API_KEY=…`, `password: "…"`.
_ASSIGNED = re.compile(
    r"""(?i)(?:password|passwd|secret|token|api[_-]?key|private[_-]?key)["']?\s*[:=]\s*["']?([A-Za-z0-9+/=_.-]{20,})"""
)
RANDOM = 3.7
"""Bits for each character from which on a word is taken for random: words and names have fewer."""


@dataclass(frozen=True)
class Leak:
    """Where, and what it looks like; never the secret itself."""

    file: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: looks like {self.what}"


def in_tree(root: Path) -> list[Leak]:
    """Of all files that git tracks under `root`, or would."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=root, capture_output=True, check=True,
    )  # fmt: skip
    names = [name.decode() for name in listed.stdout.split(b"\0") if name]
    return [leak for name in names for leak in in_file(root / name, name)]


def in_file(path: Path, name: str) -> Iterator[Leak]:
    if not path.is_file() or path.is_symlink() or path.stat().st_size > LARGEST:
        return
    content = path.read_bytes()
    if b"\0" in content[:8000]:
        return
    yield from in_text(content.decode(errors="replace"), name)


def in_text(text: str, name: str) -> Iterator[Leak]:
    lines = text.splitlines()

    def leak(position: int, what: str) -> Iterator[Leak]:
        number = text.count("\n", 0, position)
        if ALLOWED not in lines[number]:
            yield Leak(name, number + 1, what)

    for what, pattern in _PATTERNS.items():
        for found in pattern.finditer(text):
            yield from leak(found.start(), what)
    for found in _ASSIGNED.finditer(text):
        if _is_random(found[1]):
            yield from leak(found.start(1), "a secret that was written down")


def _is_random(word: str) -> bool:
    """Letters and digits mixed, and no letter much more often than others."""
    if not (re.search("[0-9]", word) and re.search("[A-Za-z]", word)) or "." in word:
        return False
    shares = [word.count(each) / len(word) for each in set(word)]
    return -sum(share * log2(share) for share in shares) >= RANDOM
