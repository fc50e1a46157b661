"""Where things lie: short directories for Unix sockets, and ways that a server's own account can walk."""

import hashlib
import os
import stat
from pathlib import Path

from local_stack.errors import StackError


def socket_directory(owner: Path) -> Path:
    """A directory for the Unix sockets of what lives in `owner`, always the same one.

    In /tmp whatever TMPDIR says: a socket's path may have 107 bytes, and every terminal must find the same place."""
    digest = hashlib.sha256(str(owner.resolve()).encode()).hexdigest()[:12]
    return Path("/tmp") / f"online-mart-{os.getuid()}-{digest}"


def make_private(directory: Path) -> None:
    """A directory of ours, in a place where others may have been first."""
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise StackError(f"{directory} belongs to another user: remove it.")


def let_through(path: Path) -> None:
    """Others may walk through (not list) every directory above `path`. For a server that can't run as root."""
    for parent in path.resolve().parents:
        mode = parent.stat().st_mode
        if not mode & stat.S_IXOTH:
            parent.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def let_read(root: Path) -> None:
    """Others may read what lies under `root` (and execute what its owner may)."""
    for path in [root, *root.rglob("*")]:
        if path.is_symlink():
            continue
        mode = path.stat().st_mode
        wanted = stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0)
        if mode & wanted != wanted:
            path.chmod(stat.S_IMODE(mode) | wanted)
