"""Optimistic concurrency: a change names the version of the row that it was made from."""

from service_kit.problems import PreconditionFailed


class Expected:
    """The versions that the caller expects; None: any. Over HTTP it is `If-Match`."""

    def __init__(self, versions: frozenset[str] | None = None) -> None:
        self._versions = versions

    def check(self, version: int) -> None:
        """Raises: PreconditionFailed, where the row has another version. Call it while the row is locked."""
        if self._versions is not None and str(version) not in self._versions:
            raise PreconditionFailed(current=f'"{version}"')
