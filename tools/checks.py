"""`make check`: what a machine can say about the code before anybody reads it."""

import ast
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from local_stack.environment import ROOT
from local_stack.layout import Layout
from local_stack.parts import SERVICES, Part
from local_stack.ports import lease
from local_stack.postgres import WITHOUT_DURABILITY
from tools import audit

LONGEST_FILE = 400
LONGEST_FUNCTION = 40

Progress = Callable[[str], None]


def run_all(progress: Progress) -> list[str]:
    """Runs all of them, also after one failed; returns the names of those that did."""
    failed = []
    for name, check in CHECKS.items():
        started = time.monotonic()
        passed = check()
        progress(f"{name}: {'passed' if passed else 'FAILED'} ({time.monotonic() - started:.1f} s)")
        if not passed:
            failed.append(name)
    return failed


def _runs(program: str, *arguments: str) -> Callable[[], bool]:
    return partial(_run, [str(audit.BIN / program), *arguments])


def _run(command: list[str], environment: dict[str, str] | None = None) -> bool:
    done = subprocess.run(command, cwd=ROOT, stdout=sys.stderr, env=environment, check=False)
    return done.returncode == 0


def migrations_are_current() -> bool:
    """Each service's migrations, applied to an empty database, give exactly its models."""
    with tempfile.TemporaryDirectory() as directory:
        layout = Layout(Path(directory))
        forgetful = " ".join(f"{name}={value}" for name, value in WITHOUT_DURABILITY.items())
        layout.ensure_environment({"POSTGRES_PORT": str(lease()[0]), "POSTGRES_SETTINGS": forgetful})
        layout.postgres.start()
        try:
            with ThreadPoolExecutor(2) as threads:
                return all(list(threads.map(partial(_is_current, layout), SERVICES)))  # also after one fails
        finally:
            layout.postgres.stop()


def _is_current(layout: Layout, service: Part) -> bool:
    layout.create_database(service)
    command = [sys.executable, "-m", "service_kit", "check-migrations", service.package]
    return _run(command, layout.migration_environment(service))


def lengths_are_kept() -> bool:
    found = [problem for name in audit.tracked_files(ROOT, "*.py") for problem in _too_long(ROOT / name)]
    for problem in found:
        print(problem, file=sys.stderr)
    return not found


def _too_long(file: Path) -> Iterator[str]:
    text = file.read_text()
    lines = text.count("\n")
    name = file.relative_to(ROOT)
    if lines >= LONGEST_FILE:
        yield f"{name}: {lines} lines (under {LONGEST_FILE})"
    if "migrations" in file.parts:  # Alembic wrote their functions, as long as the tables are many
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length >= LONGEST_FUNCTION:
                yield f"{name}:{node.lineno}: {node.name} has {length} lines (under {LONGEST_FUNCTION})"


def no_secret_is_committed() -> bool:
    result = audit.secrets(ROOT)
    for line in result.findings or [result.sentence]:
        print(line, file=sys.stderr)
    return result.outcome is audit.Outcome.PASSED


def run_tests(arguments: list[str]) -> tuple[bool, str]:
    """Pytest's output goes to stderr; returns whether all passed, and its summary line."""
    command = [sys.executable, "-m", "pytest", *arguments]
    summary = ""
    # Compiled test modules are kept, whatever the shell says: each test process would compile all of them again.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as pytest:
        for line in pytest.stdout or ():
            sys.stderr.write(line)
            summary = line.strip() or summary
    return pytest.returncode == 0, f"tests: {summary.strip('= ')}"


CHECKS: dict[str, Callable[[], bool]] = {
    "format": _runs("ruff", "format", "--check", "."),
    "lint": _runs("ruff", "check", "."),
    "types": _runs("mypy", "."),
    "layers": _runs("lint-imports"),
    "migrations": migrations_are_current,
    "lengths": lengths_are_kept,
    "lock": _runs("uv", "lock", "--check"),
    "secrets": no_secret_is_committed,
}
