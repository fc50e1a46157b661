"""Responses that are made while they are sent, such as exports.

The server stops reading from `chunks` while the client doesn't read, and aborts a response of which nothing was read
for `RESPONSE_STALLED_SECONDS`. So a generator must not hold a database connection while it yields.
"""

from collections.abc import AsyncIterator

from starlette.responses import StreamingResponse


async def streamed(chunks: AsyncIterator[str], filename: str, media_type: str) -> StreamingResponse:
    """The response with these parts, to be saved as a file. The first part is made before the response starts, so that
    an unreachable database is a 503."""
    first = await anext(chunks)
    headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{filename}"'}
    return StreamingResponse(_after(first, chunks), headers=headers, media_type=media_type)


async def _after(first: str, rest: AsyncIterator[str]) -> AsyncIterator[str]:
    yield first
    async for chunk in rest:
        yield chunk
