"""`ETag` and `If-Match` from a row's `version`: a lost update is a `412`."""

from typing import Annotated

from fastapi import Depends, Header, Response

from service_kit.problems import PreconditionFailed


def set_etag(response: Response, version: int) -> None:
    response.headers["ETag"] = f'"{version}"'


class Expected:
    """The version that the caller last read, where they sent it as `If-Match`."""

    def __init__(
        self,
        if_match: Annotated[str | None, Header(description="the `ETag` that you read: a change in between is a 412")] = None,
    ) -> None:
        self._tags = None if if_match is None or if_match.strip() == "*" else [t.strip() for t in if_match.split(",")]

    def check(self, version: int) -> None:
        """Raises: PreconditionFailed, when the row has another version by now. Call it while the row is locked."""
        if self._tags is not None and f'"{version}"' not in self._tags:
            raise PreconditionFailed(current=f'"{version}"')


IfMatch = Annotated[Expected, Depends()]
