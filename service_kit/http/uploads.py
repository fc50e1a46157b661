"""Operations that read their body themselves, part by part, with a limit of their own.

The middleware reads every other body before the operation is called, with MAX_BODY_BYTES as its limit.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, TypeVar

from fastapi import Request

from service_kit.http.router import Router
from service_kit.problems import Problem

F = TypeVar("F", bound=Callable[..., Any])
_MARK = "streams_body"


def streams_body(endpoint: F) -> F:
    """Marks an endpoint, which takes the request, and no body as a parameter. Its path has no parameters. Callers are
    rejected before any of the body is read."""
    setattr(endpoint, _MARK, True)
    return endpoint


def streamed_operations(routers: Iterable[Router]) -> frozenset[tuple[str, str]]:
    """Method and path of each operation that streams its body. Raises: TypeError, for a path with parameters."""
    routes: list[Any] = [route for router in routers for route in router.routes]
    marked = [route for route in routes if hasattr(route.endpoint, _MARK)]
    if wrong := [route.path for route in marked if "{" in route.path]:
        raise TypeError(f"{wrong}: an operation that streams its body has no parameters in its path")
    return frozenset((method, route.path) for route in marked for method in route.methods)


async def received(request: Request, limit: int, too_large: Problem) -> AsyncIterator[bytes]:
    """The parts of the body. Raises: `too_large`, beyond `limit` bytes, whether or not the length was declared."""
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > limit:
        raise too_large
    length = 0
    async for part in request.stream():
        length += len(part)
        if length > limit:
            raise too_large
        yield part
