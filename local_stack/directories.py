"""Directories for Unix sockets, and permissions for a server that runs under another account."""

import hashlib
import os
import stat
from pathlib import Path

from local_stack.errors import StackError


def socket_directory(owner: Path) -> Path:
    """The directory for the Unix sockets of the shop or server in `owner`.

    It is in /tmp, whatever TMPDIR is: a socket's path is limited to 107 bytes, and must not depend on the terminal."""
    digest = hashlib.sha256(str(owner.resolve()).encode()).hexdigest()[:12]
    return Path("/tmp") / f"online-mart-{os.getuid()}-{digest}"


def make_private(directory: Path) -> None:
    """Creates `directory` where others can create files too. Raises: StackError, if it belongs to another user."""
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise StackError(f"{directory} belongs to another user: remove it.")


def let_through(path: Path) -> None:
    """Lets other accounts traverse (not list) every directory above `path`, for a server that can't run as root."""
    for parent in path.resolve().parents:
        mode = parent.stat().st_mode
        if not mode & stat.S_IXOTH:
            parent.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def let_read(root: Path) -> None:
    """Lets other accounts read all files under `root`, and execute those that their owner may execute."""
    for path in [root, *root.rglob("*")]:
        if path.is_symlink():
            continue
        mode = path.stat().st_mode
        wanted = stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0)
        if mode & wanted != wanted:
            path.chmod(stat.S_IMODE(mode) | wanted)
