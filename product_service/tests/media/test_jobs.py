"""The jobs: sizes are made once, broken images are given up, and what nothing shows is removed."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import pytest

from product_service.media import jobs, use_cases
from product_service.media.queries import ToRender
from product_service.media.resources import Images
from product_service.tests.conftest import MakeProduct
from product_service.tests.media.conftest import Json, MakeMedia, Upload, age, files, render, sweep
from product_service.tests.media.pictures import picture
from product_service.tests.media.s3 import bucket
from tests.harness.service import Caller, Served

OLD = 8 * 24 * 3600


def make_old(folder: Path) -> None:
    for path in folder.rglob("*.*"):
        os.utime(path, (time.time() - OLD, time.time() - OLD))


async def state(staff: Caller, media: Json) -> Json:
    found: Json = (await staff.get(f"/media/{media['id']}")).json()
    return found


async def killed_upload(service: Served, folder: Path, directory: Path) -> None:
    """A process uploads an image, and is killed when it is stored and that is not committed."""
    image = directory / "image.png"
    image.write_bytes(picture("PNG"))
    (directory / "product.media.after").touch()
    upload = [sys.executable, "-m", "product_service.tests.media.killed", service.database_url, str(folder), str(image)]
    ended = await asyncio.to_thread(subprocess.run, upload, timeout=60, check=False, capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()


async def make_due(service: Served) -> None:
    async with service.runtime.database.connection() as connection:
        await connection.execute("UPDATE media SET next_attempt_at = now()")


async def test_two_workers_do_not_make_the_same(
    service: Served, staff: Caller, make_media: MakeMedia, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    really = use_cases.render

    async def counted(storage: object, decoder: object, media: ToRender) -> str:
        made.append(media.id)
        return await really(storage, decoder, media)  # type: ignore[arg-type]

    monkeypatch.setattr(use_cases, "render", counted)
    media = [await make_media(f"#00{n:02x}00", (40, 30)) for n in range(12)]
    for _ in range(2):
        await asyncio.gather(*(render(service) for _ in range(3)))
    assert len(made) == len(set(made)) == 12
    assert {(await state(staff, each))["state"] for each in media} == {"ready"}


async def test_a_broken_image_is_given_up_and_says_so(
    service: Served, staff: Caller, make_media: MakeMedia, upload: Upload, folder: Path
) -> None:
    media, other = await make_media("red"), await make_media("blue")
    (folder / media["id"] / "original.png").write_bytes(b"damaged")
    for attempt in range(1, 6):
        await render(service)
        now = await state(staff, media)
        assert (now["attempts"], now["state"]) == (attempt, "pending" if attempt < 5 else "failed")
        assert now["error"]
        await make_due(service)
    assert (await state(staff, other))["state"] == "ready"
    [failed] = (await staff.get("/media", params={"state": "failed"})).json()["items"]
    assert failed["id"] == media["id"]
    again = await upload(picture("PNG"))
    assert (again.status_code, again.json()["state"], again.json()["attempts"]) == (200, "pending", 0)
    await render(service)
    assert (await state(staff, media))["state"] == "ready", "the upload has replaced the damaged original"


async def test_an_unreachable_storage_is_no_fault_of_the_image(
    service: Served, staff: Caller, make_media: MakeMedia, monkeypatch: pytest.MonkeyPatch
) -> None:
    media = await make_media()
    images = service.runtime.resource(Images)
    monkeypatch.setattr(images, "storage", bucket("http://127.0.0.1:1"))
    await render(service)
    assert (await state(staff, media))["attempts"] == 0
    monkeypatch.undo()
    await make_due(service)
    await render(service)
    assert (await state(staff, media))["state"] == "ready"


async def test_what_nothing_shows_is_removed_after_a_while(
    service: Served, staff: Caller, make_media: MakeMedia, make_product: MakeProduct, folder: Path
) -> None:
    used, unused, new = [await make_media(colour) for colour in ("red", "green", "blue")]
    product = await make_product()
    await staff.put(f"/products/{product['id']}/images", json={"images": [{"media_id": used["id"]}]})
    await render(service)
    make_old(folder)
    for each in (used, unused):
        await age(service, each["id"])
    await sweep(service)
    assert {name.partition("/")[0] for name in files(folder)} == {used["id"], new["id"]}
    assert (await staff.get(f"/media/{unused['id']}")).status_code == 404
    assert (await service.anonymous.get(unused["sizes"][-1]["urls"]["png"])).status_code == 404

    await staff.put(f"/products/{product['id']}/images", json={"images": []})
    await sweep(service)
    assert (await staff.get(f"/media/{used['id']}")).status_code == 200, "the time begins when it is taken off"
    await age(service, used["id"])
    await sweep(service)
    assert {name.partition("/")[0] for name in files(folder)} == {new["id"]}


async def test_objects_without_a_row_are_removed(service: Served, make_media: MakeMedia, folder: Path) -> None:
    media = await make_media()
    for name in (f"{uuid4()}/original.png", f"{uuid4()}/320.webp", "something-else/file.txt"):
        path = folder / name
        path.parent.mkdir()
        path.write_bytes(b"x")
    fresh = folder / str(uuid4()) / "original.png"
    make_old(folder)
    fresh.parent.mkdir()
    fresh.write_bytes(b"x")
    await sweep(service)
    kept = {f"{media['id']}/original.png", "something-else/file.txt", fresh.relative_to(folder).as_posix()}
    assert files(folder) == kept


async def test_an_upload_that_was_killed_can_be_repeated(
    service: Served, upload: Upload, folder: Path, tmp_path: Path
) -> None:
    await killed_upload(service, folder, tmp_path)
    [orphan] = files(folder)
    async with service.runtime.database.connection() as connection:
        assert await connection.fetchval("SELECT state FROM media") == "storing"
    answer = await upload(picture("PNG"))
    assert (answer.status_code, answer.json()["state"]) == (201, "pending")
    assert files(folder) == {orphan}


async def test_what_a_killed_upload_left_is_not_shown_and_swept(
    service: Served, staff: Caller, folder: Path, tmp_path: Path, make_product: MakeProduct
) -> None:
    await killed_upload(service, folder, tmp_path)
    [media] = (await staff.get("/media")).json()["items"]
    assert media["state"] == "storing"
    assert (await service.anonymous.get(media["sizes"][-1]["urls"]["png"])).status_code == 404
    path = f"/products/{(await make_product())['id']}/images"
    assert (await staff.put(path, json={"images": [{"media_id": media["id"]}]})).status_code == 409
    await age(service, media["id"])
    await sweep(service)
    assert files(folder) == set()
    assert (await staff.get("/media")).json()["items"] == []


async def test_an_upload_at_the_moment_of_the_sweep_is_kept(service: Served, upload: Upload, folder: Path) -> None:
    """The same file is uploaded while its unused image is swept: whichever is first, what was uploaded has its file."""
    for n in range(12):
        content = picture("PNG", (30, 20), f"#{n:02x}0000")
        first = (await upload(content)).json()
        make_old(folder)
        await age(service, first["id"])
        _, answer = await asyncio.gather(sweep(service), upload(content))
        await sweep(service)
        assert answer.status_code in (200, 201)
        kept = answer.json()
        assert (answer.status_code == 200) == (kept["id"] == first["id"])
        assert (await service.anonymous.get(kept["sizes"][-1]["urls"]["png"])).status_code == 200
        assert [name for name in files(folder) if name.startswith(kept["id"])]


async def test_an_image_is_put_on_a_product_at_the_moment_of_the_sweep(
    service: Served, staff: Caller, make_media: MakeMedia, make_product: MakeProduct
) -> None:
    product = await make_product()
    for n in range(12):
        media = await make_media(f"#{n:02x}0000", (30, 20))
        await age(service, media["id"])
        body = {"images": [{"media_id": media["id"]}]}
        _, answer = await asyncio.gather(sweep(service), staff.put(f"/products/{product['id']}/images", json=body))
        await sweep(service)
        found = await service.anonymous.get(media["sizes"][-1]["urls"]["png"])
        assert (answer.status_code, found.status_code) in {(200, 200), (409, 404)}


async def test_a_slow_removal_does_not_touch_a_later_upload_of_the_file(
    service: Served, staff: Caller, upload: Upload, folder: Path
) -> None:
    """A worker that was suspended removes files when the same file was uploaded again long ago."""
    first = (await upload(picture("PNG"))).json()
    await staff.delete(f"/media/{first['id']}")
    second = (await upload(picture("PNG"))).json()
    assert second["id"] != first["id"]
    await jobs.remove(service.runtime)
    await use_cases.remove_files(service.runtime.resource(Images).storage, first["id"])
    assert files(folder) == {f"{second['id']}/original.png"}
