"""The images of two releases: N is a commit, and N+1 is the last commit with a little more.

N+1 has a column and a setting more in each service, and a field more in the events of each that publishes any. If the
patch no longer applies: `git apply --3way`, mend the conflicts, and write the result of `git diff -U2` here.
"""

import io
import subprocess
import tarfile
import tempfile
from pathlib import Path

from local_stack.environment import ROOT
from tools.kubernetes.live.install import run
from tools.kubernetes.live.kubectl import ClusterError
from tools.kubernetes.names import SERVICE_NAMES

FORMER, NEXT = "former", "next"
"""The tags of the images."""
_TESTS = ROOT / "tests" / "upgrades"
PATCH, COMMIT = _TESTS / "next_release.patch", _TESTS / "former_release.txt"
TABLES = {
    "user": "accounts",
    "product": "products",
    "inventory": "shipments",
    "order": "orders",
    "notification": "notifications",
}
"""Where release N+1 has a column `release`, with `next` in each row that it inserts."""

_MIGRATION = '''"""{table}.release: which release inserted the row."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{newest}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("{table}", sa.Column("release", sa.String(), nullable=True))
'''


def image(service: str, tag: str) -> str:
    return f"online-mart/{service}:{tag}"


IMAGES = [image(service, tag) for tag in (FORMER, NEXT) for service in SERVICE_NAMES]


def build() -> None:
    """Raises: ClusterError."""
    for tag, commit in ((FORMER, COMMIT.read_text().strip()), (NEXT, "HEAD")):
        with tempfile.TemporaryDirectory() as directory:
            export(commit, Path(directory))
            if tag == NEXT:
                make_next(Path(directory))
            for service in SERVICE_NAMES:
                target = ("--target", "service", "--build-arg", f"SERVICE={service}", "--tag", image(service, tag))
                run("docker", "build", "--quiet", *target, directory)


def export(commit: str, directory: Path) -> None:
    """Raises: ClusterError."""
    done = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        raise ClusterError(f"There is no commit {commit}: fetch the whole history (git fetch --unshallow).")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(directory, filter="data")


def make_next(directory: Path) -> None:
    """Turns an export of the present tree into release N+1. Raises: ClusterError."""
    run("git", "apply", str(PATCH), cwd=directory)
    for service in SERVICE_NAMES:
        migrations = directory / f"{service}_service" / "migrations"
        newest = max(path.name.partition("_")[0] for path in migrations.glob("[0-9]*_*.py"))
        revision = f"{int(newest) + 1:04d}"
        text = _MIGRATION.format(table=TABLES[service], revision=revision, newest=newest)
        (migrations / f"{revision}_release.py").write_text(text)
