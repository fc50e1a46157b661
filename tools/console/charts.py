"""uPlot's files, from the jar that Maven Central has of its npm package: fetched and checked as Kafka's jars are."""

import zipfile
from pathlib import Path

from local_stack import jars
from local_stack.errors import StackError

LOCK = Path(__file__).with_name("uplot.lock")
FILES = ("uPlot.iife.min.js", "uPlot.min.css")


def files(repository: str) -> dict[str, str]:
    """Name → content. Raises: StackError."""
    try:
        [jar] = jars.fetch(lambda _: None, lock=LOCK, repository=repository)
    except StackError as error:
        raise StackError(
            f"There are no charts: uPlot can't be had from {repository}, or is not what {LOCK.name} names."
        ) from error
    with zipfile.ZipFile(jar) as archive:
        return {name: archive.read(_path(archive, name)).decode() for name in FILES}


def _path(archive: zipfile.ZipFile, name: str) -> str:
    [found] = [path for path in archive.namelist() if path.endswith(f"/dist/{name}")]
    return found
