"""Pages of a list over HTTP: `limit`, an opaque `cursor`, `next` in the body and in a `Link` header."""

from collections.abc import Callable
from typing import Annotated, Any, Generic, Literal, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel, Field

from service_kit.database.keyset import Position, Slice

Out = TypeVar("Out", bound=BaseModel)
Limit = Annotated[int, Query(ge=1, le=100, description="how many items at most")]
Cursor = Annotated[str | None, Query(max_length=500, description="`next` of the page before")]
Sort = Annotated[Literal["created_at", "-created_at"], Query(description="`-created_at`: the newest first")]


class Page(BaseModel, Generic[Out]):
    """A page of a list."""

    items: list[Out]
    next: str | None = Field(default=None, description="the `cursor` of the following page; null on the last")


class PageRequest:
    """The parameters of a request for a page, and the response to it."""

    def __init__(self, request: Request, response: Response, limit: Limit = 20, cursor: Cursor = None) -> None:
        self.position = Position(limit, cursor)
        self._request = request
        self._response = response

    def of(self, found: Slice[Any], as_item: Callable[[Any], Out]) -> Page[Out]:
        """The response; `as_item` makes an item of a row."""
        if found.next:
            asked = [(name, value) for name, value in self._request.query_params.multi_items() if name != "cursor"]
            query = [*asked, ("cursor", found.next)]
            self._response.headers["Link"] = f'<{self._request.url.path}?{urlencode(query)}>; rel="next"'
        return Page(items=[as_item(row) for row in found.rows], next=found.next)


class PageByTime(PageRequest):
    """The parameters of a request for a page that is sorted by time."""

    def __init__(
        self,
        request: Request,
        response: Response,
        limit: Limit = 20,
        cursor: Cursor = None,
        sort: Sort = "-created_at",
    ) -> None:
        super().__init__(request, response, limit, cursor)
        self.position = Position(limit, cursor, descending=sort == "-created_at")


Paged = Annotated[PageRequest, Depends()]
"""For a list whose order is fixed, such as by name or code."""
PagedByTime = Annotated[PageByTime, Depends()]
"""For a list sorted by time: the newest first, unless `sort` is the other order."""
