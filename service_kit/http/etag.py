"""`ETag` from a row's `version`: a lost update is a `412` (`If-Match`), a known version a `304` (`If-None-Match`)."""

from typing import Annotated, Any, TypeVar

from fastapi import Depends, Header, Response

from service_kit.concurrency import Expected

T = TypeVar("T")


def tagged(response: Response, body: T, version: int) -> T:
    """Returns the body, with the version as the `ETag` of the response, for a later change."""
    response.headers["ETag"] = f'"{version}"'
    return body


_Sent = Annotated[str | None, Header(description="the `ETag` that you read: a change in between is a 412")]


async def _expected(if_match: _Sent = None) -> Expected:
    """Only the part of a tag before its dot counts for a change. The rest (`"3.17"`) is the version of other data in
    the response, for `If-None-Match`."""
    if if_match is None or if_match.strip() == "*":
        return Expected()
    return Expected(frozenset(_version(tag) for tag in if_match.split(",")))


IfNoneMatch = Annotated[str | None, Header(description="the `ETag` that you have: a 304 when nothing changed")]
NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "unchanged since the `ETag` in `If-None-Match`"}}


def is_known(if_none_match: str | None, tag: str) -> bool:
    """Whether the caller has the version with this `tag` (without quotes) already; weak tags match too (RFC 9110)."""
    if if_none_match is None:
        return False
    known = [each.strip().removeprefix("W/") for each in if_none_match.split(",")]
    return f'"{tag}"' in known or known == ["*"]


def _version(tag: str) -> str:
    """`"3"` and `"3.17"` → `3`; anything else → an empty text, which is no version."""
    tag = tag.strip()
    return tag[1:-1].partition(".")[0] if len(tag) > 2 and tag[0] == tag[-1] == '"' else ""


IfMatch = Annotated[Expected, Depends(_expected)]
