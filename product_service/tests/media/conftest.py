"""The product service with a folder for images, and images."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from product_service.media import jobs
from product_service.tests.media.pictures import picture
from tests.harness.service import Caller, Served, serve

Json = dict[str, Any]
Upload = Callable[..., Awaitable[httpx.Response]]
MakeMedia = Callable[..., Awaitable[Json]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the images of the service are."""
    return tmp_path / "media"


@pytest.fixture
async def service(folder: Path) -> AsyncIterator[Served]:
    async with serve("product_service", media_dir=folder, media_max_bytes=2_000_000) as served:
        yield served


@pytest.fixture
def upload(staff: Caller) -> Upload:
    async def send(content: bytes, kind: str = "application/octet-stream", **options: Any) -> httpx.Response:
        return await staff.post("/media", content=content, headers={"Content-Type": kind}, **options)

    return send


@pytest.fixture
def make_media(upload: Upload) -> MakeMedia:
    """Uploads a picture of this colour and size."""

    async def make(colour: str = "red", size: tuple[int, int] = (640, 480)) -> Json:
        answer = await upload(picture("PNG", size, colour), "image/png")
        assert answer.status_code == 201, answer.text
        made: Json = answer.json()
        return made

    return make


def kind(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


async def render(service: Served) -> None:
    """Runs the job that makes sizes and formats."""
    await jobs.render(service.runtime)


async def sweep(service: Served) -> None:
    """Runs the jobs that delete what nothing shows."""
    await jobs.sweep(service.runtime)
    await jobs.remove(service.runtime)
    await jobs.sweep_storage(service.runtime)


async def age(service: Served, media_id: str, interval: str = "8 days") -> None:
    """Lets this time pass since the image was last used."""
    async with service.runtime.database.connection() as connection:
        await connection.execute(
            "UPDATE media SET touched_at = touched_at - $1::text::interval WHERE id = $2::text::uuid",
            interval,
            media_id,
        )
