"""`make audit`: known vulnerabilities of the locked dependencies, secrets in the tree, and a bill of materials.

If something could not be checked, it is "not checked" and the audit has not passed. pip-audit itself skips packages for
which its database does not answer, and then reports "no known vulnerabilities".
"""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from rich.table import Table

from local_stack.environment import ROOT

BIN = Path(sys.executable).parent
OUT = ROOT / ".local" / "audit"
SECONDS = 300
BASELINE = ROOT / ".secrets.baseline"
"""The plugins of detect-secrets, and the strings that are no secrets."""


class Outcome(StrEnum):
    PASSED = "passed"
    FOUND = "FOUND"
    NOT_CHECKED = "NOT CHECKED"


@dataclass(frozen=True)
class Result:
    """The outcome of one check, with a sentence and the findings."""

    name: str
    outcome: Outcome
    sentence: str
    findings: list[str] = field(default_factory=list)


Ran = subprocess.CompletedProcess[str]


def run_all() -> list[Result]:
    OUT.mkdir(parents=True, exist_ok=True)
    locked = OUT / "locked.txt"
    exported = _run(
        "uv", "export", "--locked", "--all-extras", "--all-groups", "--no-emit-project", "--no-annotate",
        "--format", "requirements-txt", "--quiet", "--output-file", str(locked),
    )  # fmt: skip
    if exported.returncode:
        why = f"the lock could not be read: {_last_line(exported)}"
        unread = [Result(name, Outcome.NOT_CHECKED, why) for name in ("dependencies", "bill of materials")]
        return [*unread, secrets(ROOT)]
    return [dependencies(locked), secrets(ROOT), bill_of_materials(locked, OUT / "sbom.json")]


def exit_code(results: list[Result]) -> int:
    """0: everything was checked, nothing found; 1: something was found; 2: nothing was found, not all was checked."""
    outcomes = {result.outcome for result in results}
    if Outcome.FOUND in outcomes:
        return 1
    return 2 if Outcome.NOT_CHECKED in outcomes else 0


def dependencies(locked: Path) -> Result:
    """Checks the locked packages for known vulnerabilities by pip-audit."""
    ran = _run("pip-audit", "--requirement", str(locked), "--no-deps", "--disable-pip", "--format", "json",
               "--progress-spinner", "off")  # fmt: skip
    return judged(ran, packages=_names(locked))


def judged(ran: Ran, packages: set[str]) -> Result:
    """The result of a run of pip-audit that had to check `packages`."""
    name = "dependencies"
    try:
        reported: list[dict[str, Any]] = json.loads(ran.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return Result(name, Outcome.NOT_CHECKED, f"pip-audit gave no answer: {_last_line(ran)}")
    checked = {each["name"] for each in reported if "vulns" in each}
    vulnerable = [
        f"{each['name']} {each['version']}: {flaw['id']}, fixed in {', '.join(flaw['fix_versions']) or 'no version'}"
        for each in reported
        for flaw in each.get("vulns", ())
    ]
    left_out = sorted(packages - checked)
    also = f"; {len(left_out)} of {len(packages)} packages were not checked" if left_out else ""
    if vulnerable:
        return Result(name, Outcome.FOUND, f"{len(vulnerable)} known vulnerabilities{also}", vulnerable)
    if left_out:
        sentence = f"{len(left_out)} of {len(packages)} packages: the vulnerability database did not answer for them"
        return Result(name, Outcome.NOT_CHECKED, sentence, [f"not checked: {', '.join(left_out)}"])
    return Result(name, Outcome.PASSED, f"{len(checked)} packages, no known vulnerability")


def secrets(root: Path) -> Result:
    """Looks for secrets in `tracked_files`. Findings have the file and the line, never the secret."""
    files = tracked_files(root)
    ran = _run("detect-secrets-hook", "--baseline", str(BASELINE), "--json", *files, cwd=root)
    if ran.returncode == 0:
        return Result("secrets", Outcome.PASSED, f"none in {len(files)} files")
    try:
        results: dict[str, list[dict[str, Any]]] = json.loads(ran.stdout)["results"]
    except (ValueError, KeyError):
        return Result("secrets", Outcome.NOT_CHECKED, f"detect-secrets gave no answer: {_last_line(ran)}")
    found = [f"{name}:{each['line_number']}: {each['type']}" for name in results for each in results[name]]
    return Result("secrets", Outcome.FOUND, f"{len(found)} in files that git keeps", found)


def tracked_files(root: Path, *patterns: str) -> list[str]:
    """The files that git tracks under `root`, and the new ones that it does not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.splitlines() if (root / name).is_file()]


def bill_of_materials(locked: Path, file: Path) -> Result:
    """Writes a list of all packages that a release contains, in CycloneDX format."""
    ran = _run("cyclonedx-py", "requirements", str(locked), "--of", "JSON", "-o", str(file))
    name = "bill of materials"
    if ran.returncode:
        return Result(name, Outcome.NOT_CHECKED, f"cyclonedx-py failed: {_last_line(ran)}")
    listed, wanted = {each["name"] for each in json.loads(file.read_text())["components"]}, _names(locked)
    if missing := sorted(wanted - listed):
        return Result(name, Outcome.NOT_CHECKED, f"lacks {len(missing)} packages", missing)
    return Result(name, Outcome.PASSED, f"{len(listed)} packages in {file.relative_to(ROOT)}")


def table(results: list[Result]) -> Table:
    shown = Table("What", "Result", "", title="Audit")
    for result in results:
        shown.add_row(result.name, result.outcome.value, result.sentence)
    return shown


def _names(locked: Path) -> set[str]:
    lines = locked.read_text().splitlines()
    return {line.partition("==")[0] for line in lines if "==" in line and line[0].isalnum()}


def _run(*command: str, cwd: Path = ROOT) -> Ran:
    program = [str(BIN / command[0]), *command[1:]]
    try:
        return subprocess.run(program, cwd=cwd, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Ran(program, -1, "", str(error))


def _last_line(ran: Ran) -> str:
    return (ran.stderr.strip() or f"exit code {ran.returncode}").splitlines()[-1]
