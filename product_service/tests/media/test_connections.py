"""Uploads over connections, to a process of its own."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from product_service.media.resources import MAX_UPLOADS
from product_service.tests.media.pictures import picture
from tests.harness import tokens
from tests.harness.server import serving


def bearer() -> str:
    """A token that is valid for the test: one that is made when the module is imported may have expired by then."""
    return f"Bearer {tokens.token(role='SubAdmin')}"


async def start(url: str, token: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Sends the head and some bytes of an upload of a million bytes."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    head = f"POST /media HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nAuthorization: {token}\r\n"
    head += "Expect: 100-continue\r\n\r\n"
    writer.write(head.encode() + bytes(1000))
    await writer.drain()
    return reader, writer


async def end(*writers: asyncio.StreamWriter) -> None:
    """Ends the connections, which the server may have ended before."""
    for writer in writers:
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)


async def test_uploads_that_break_off_leave_room_for_others(tmp_path: Path) -> None:
    async with (
        serving("product_service", media_dir=tmp_path, request_body_seconds=60) as url,
        httpx.AsyncClient(base_url=url, timeout=60, headers={"Authorization": bearer()}) as client,
    ):
        begun = [await start(url, bearer()) for _ in range(MAX_UPLOADS)]
        async with asyncio.timeout(60):
            for reader, _ in begun:
                assert b" 100 " in await reader.readuntil(b"\r\n\r\n"), "it has a place before the next upload comes"
            assert (await client.post("/media", content=picture())).status_code == 503
            await end(*(writer for _, writer in begun))
            while (answer := await client.post("/media", content=picture())).status_code == 503:
                await asyncio.sleep(0.01)
        assert answer.status_code in (200, 201)


async def test_a_stranger_is_rejected_before_the_file_arrives(tmp_path: Path) -> None:
    async with serving("product_service", media_dir=tmp_path) as url:
        reader, writer = await start(url, "Bearer nonsense")
        async with asyncio.timeout(10):
            assert b" 401 " in await reader.readline()
        await end(writer)


async def test_a_slow_upload_ends_with_408(tmp_path: Path) -> None:
    limits = {"request_body_seconds": 0.5, "request_body_bytes_per_second": 1_000_000}
    async with serving("product_service", media_dir=tmp_path, **limits) as url:
        reader, writer = await start(url, bearer())
        async with asyncio.timeout(10):
            assert b" 100 " in await reader.readuntil(b"\r\n\r\n")
            assert b" 408 " in await reader.readline()
        await end(writer)
