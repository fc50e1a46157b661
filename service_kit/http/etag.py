"""`ETag` from a row's `version`: a lost update is a `412` (`If-Match`), what is known a `304` (`If-None-Match`)."""

from typing import Annotated, Any

from fastapi import Depends, Header, Response

from service_kit.problems import PreconditionFailed


def set_etag(response: Response, version: int) -> None:
    response.headers["ETag"] = f'"{version}"'


class Expected:
    """The version that the caller last read, where they sent it as `If-Match`.

    A tag may say more behind a point (`"3.17"`: what else an answer shows, for `If-None-Match`); an edit asks for the
    version alone.
    """

    def __init__(
        self,
        if_match: Annotated[
            str | None, Header(description="the `ETag` that you read: a change in between is a 412")
        ] = None,
    ) -> None:
        anything = if_match is None or if_match.strip() == "*"
        self._versions = None if anything else [_version(tag) for tag in str(if_match).split(",")]

    def check(self, version: int) -> None:
        """Raises: PreconditionFailed, when the row has another version by now. Call it while the row is locked."""
        if self._versions is not None and str(version) not in self._versions:
            raise PreconditionFailed(current=f'"{version}"')


IfNoneMatch = Annotated[str | None, Header(description="the `ETag` that you have: a 304 when nothing changed")]
NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "it is as your `If-None-Match` says"}}


def is_known(if_none_match: str | None, tag: str) -> bool:
    """Whether the caller has what is tagged `tag` (without quotes) already; weak tags count, as RFC 9110 says."""
    if if_none_match is None:
        return False
    known = [each.strip().removeprefix("W/") for each in if_none_match.split(",")]
    return f'"{tag}"' in known or known == ["*"]


def _version(tag: str) -> str:
    """`"3"` and `"3.17"` → `3`; of anything else, nothing that is a version."""
    tag = tag.strip()
    return tag[1:-1].partition(".")[0] if len(tag) > 2 and tag[0] == tag[-1] == '"' else ""


IfMatch = Annotated[Expected, Depends()]
