"""Both kinds of storage: a folder, and a bucket of an S3 server over HTTP."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from product_service.media.storage import CHUNK, Folder, Storage
from product_service.tests.media import s3
from product_service.tests.media.conftest import Json, kind, render
from product_service.tests.media.pictures import opened, picture
from service_kit.problems import Unavailable
from tests.harness.service import Caller, serve


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3.s3_server() as url:
        yield url


@pytest.fixture(params=["folder", "bucket"])
async def storage(request: pytest.FixtureRequest, tmp_path: Path, server: str) -> Storage:
    if request.param == "folder":
        return Folder(tmp_path / "media")
    emptied = s3.bucket(server)
    for key in [found.key async for found in emptied.list()]:
        await emptied.delete(key)
    return emptied


async def content(storage: Storage, key: str) -> bytes | None:
    stored = await storage.open(key)
    if stored is None:
        return None
    found = b"".join([chunk async for chunk in stored.chunks])
    assert len(found) == stored.size
    return found


async def test_objects_are_put_read_replaced_listed_and_deleted(storage: Storage, tmp_path: Path) -> None:
    assert await content(storage, "a/1.png") is None
    assert [found async for found in storage.list()] == []
    file = tmp_path / "file"
    large = bytes(range(256)) * (CHUNK // 100)
    for key, data in (("a/1.png", b"one"), ("a/2.png", large), ("ab/1.png", b"three"), ("a/1.png", b"again")):
        file.write_bytes(data)
        await storage.put(key, file)
    assert await content(storage, "a/1.png") == b"again"
    assert await content(storage, "a/2.png") == large
    assert sorted([found.key async for found in storage.list()]) == ["a/1.png", "a/2.png", "ab/1.png"]
    assert sorted([found.key async for found in storage.list("a")]) == ["a/1.png", "a/2.png"]
    for key in ("a/1.png", "a/1.png", "a/2.png"):
        await storage.delete(key)
    assert [found.key async for found in storage.list()] == ["ab/1.png"]


async def test_more_objects_than_a_page_of_the_list(storage: Storage, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    for n in range(1005):
        await storage.put(f"many/{n}.png", file)
    assert len({found.key async for found in storage.list("many")}) == 1005


async def test_a_service_on_s3(server: str) -> None:
    async with serve("product_service", **s3.s3_settings(server)) as service:
        staff: Caller = service.caller(role="SubAdmin")
        media: Json = (await staff.post("/media", content=picture("PNG"))).json()
        await render(service)
        for size in media["sizes"]:
            for path in size["urls"].values():
                answer = await service.anonymous.get(path)
                assert answer.status_code == 200
                assert opened(answer.content).size == (size["width"], size["height"])
        assert (await staff.delete(f"/media/{media['id']}")).status_code == 204


async def test_without_its_storage_the_service_says_so() -> None:
    async with serve("product_service", **s3.s3_settings("http://127.0.0.1:1")) as service:
        staff = service.caller(role="SubAdmin")
        answer = await staff.post("/media", content=picture("PNG"))
        assert kind(answer) == (503, "unavailable")
        assert (await staff.get("/media")).json()["items"][0]["state"] == "storing"
        with pytest.raises(Unavailable):
            await s3.bucket("http://127.0.0.1:1").open("a/1.png")
