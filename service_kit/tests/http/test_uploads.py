"""Operations that read their body themselves."""

import pytest
from fastapi import Request

from service_kit.http.router import Router
from service_kit.http.uploads import streamed_operations, streams_body


def _router(path: str) -> Router:
    router = Router(tags=["files"])

    @router.post(path)
    @streams_body
    async def send(request: Request) -> None: ...

    @router.get("/files")
    async def read() -> None: ...

    return router


def test_only_marked_operations_stream_their_body() -> None:
    assert streamed_operations([_router("/files")]) == {("POST", "/files")}


def test_their_paths_have_no_parameters() -> None:
    with pytest.raises(TypeError, match=r"/files/\{name\}"):
        streamed_operations([_router("/files/{name}")])
