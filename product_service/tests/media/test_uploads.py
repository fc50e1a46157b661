"""Uploads: what is taken, what is refused, and what is kept of it."""

import asyncio
from pathlib import Path

import pytest
from PIL import Image, features

from product_service.tests.media.conftest import MakeMedia, Upload, files, kind, render
from product_service.tests.media.pictures import bomb, encoded, opened, picture
from tests.harness.service import Caller, Served, serve

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HTML = b"<html><script>alert(1)</script></html>"


async def original(service: Served, media: dict[str, object]) -> bytes:
    path = f"/media/{media['sha256']}/original.{media['format']}"
    answer = await service.anonymous.get(path)
    assert answer.status_code == 200, answer.text
    return answer.content


@pytest.mark.parametrize(
    ("format", "kept"), [("JPEG", "jpeg"), ("PNG", "png"), ("WEBP", "png"), ("GIF", "png")], ids=str.lower
)
async def test_an_image_is_stored_and_its_sizes_are_made(
    service: Served, upload: Upload, folder: Path, format: str, kept: str
) -> None:
    answer = await upload(picture(format, (900, 600)), f"image/{format.lower()}")
    media = answer.json()
    assert (answer.status_code, media["state"], media["format"]) == (201, "pending", kept)
    assert (media["width"], media["height"]) == (900, 600)
    shown = opened(await original(service, media))
    assert (shown.size, shown.format) == ((900, 600), kept.upper())
    assert shown.convert("RGB").getpixel((800, 300)) == pytest.approx((255, 255, 255), abs=3)

    await render(service)
    state = await upload(picture(format, (900, 600)))
    assert (state.status_code, state.json()["state"]) == (200, "ready")
    for size, width, height in ((320, 320, 213), (800, 800, 533), (1600, 900, 600)):
        for made in ("avif", "webp"):
            answer = await service.anonymous.get(f"/media/{media['sha256']}/{size}.{made}")
            assert (answer.status_code, answer.headers["content-type"]) == (200, f"image/{made}")
            image = opened(answer.content)
            assert (image.format, image.size) == (made.upper(), (width, height))
            assert int(answer.headers["content-length"]) == len(answer.content)
    listed = [(each["width"], each["height"], sorted(each["urls"])) for each in media["sizes"]]
    modern = ["avif", "webp"]
    assert listed == [(320, 213, modern), (800, 533, modern), (900, 600, modern), (900, 600, [kept])]
    assert len(files(folder)) == 7


async def test_pillow_writes_avif() -> None:
    assert features.check("avif")


FRAMES = {"save_all": True, "append_images": [Image.new("RGB", (8, 8), "red")]}
NO_IMAGES = {
    "svg": SVG,
    "html": HTML,
    "empty": b"",
    "a gif that is html": b"GIF89a" + HTML,
    "half a jpeg": picture("JPEG")[:-2000],
    "half a png": picture("PNG")[:-40],
    "half a gif": picture("GIF")[:200],
    "tiff": picture("TIFF"),
    "bmp": picture("BMP"),
    "an animated png": encoded(Image.new("RGB", (8, 8)), "PNG", **FRAMES),
    "an animated webp": encoded(Image.new("RGB", (8, 8)), "WEBP", **FRAMES),
    "zeros": b"\x89PNG\r\n\x1a\n" + bytes(5000),
}


@pytest.mark.parametrize("content", NO_IMAGES.values(), ids=NO_IMAGES)
async def test_what_is_no_single_image_is_refused(upload: Upload, folder: Path, content: bytes) -> None:
    assert kind(await upload(content)) == (422, "media-unreadable")
    assert not folder.exists()


async def test_a_bomb_is_refused_before_it_is_decoded(upload: Upload, folder: Path) -> None:
    content = bomb(30_000)
    assert len(content) < 1_000_000
    answer = await upload(content, "image/png")
    assert kind(answer) == (413, "media-too-large")
    assert answer.json()["max_pixels"] == 25_000_000
    assert not folder.exists()


async def test_a_decoder_without_memory_ends_alone(folder: Path) -> None:
    """Without a limit on pixels, the limit on memory is the one that counts."""
    async with serve("product_service", media_dir=folder, media_max_pixels=10**9) as service:
        staff = service.caller(role="SubAdmin")
        answer = await staff.post("/media", content=bomb(30_000))
        assert kind(answer) == (413, "media-too-large")
        assert "memory" in answer.json()["detail"]
        assert (await staff.post("/media", content=picture())).status_code == 201


async def test_a_file_may_have_other_kinds_of_data_behind_it_and_loses_them(service: Served, upload: Upload) -> None:
    """A file that is an image and a page at the same time (polyglot)."""
    for content in (picture("GIF", comment=HTML[:200]) + HTML, picture("JPEG", comment=HTML) + b"PK\x03\x04" + HTML):
        answer = await upload(content)
        assert answer.status_code == 201, answer.text
        kept = await original(service, answer.json())
        assert b"script" not in kept
        assert b"PK\x03\x04" not in kept


async def test_the_place_and_the_camera_are_gone_and_the_image_is_upright(service: Served, upload: Upload) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Camera 4711"
    exif[0x0112] = 6  # turned by 90 degrees
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (51.0, 30.0, 26.0)
    image = Image.new("RGB", (640, 480), "red")
    image.paste("blue", (0, 240, 640, 480))
    answer = await upload(encoded(image, "JPEG", exif=exif, comment=b"secret remark"), "image/jpeg")
    media = answer.json()
    assert (media["width"], media["height"]) == (480, 640)
    kept = await original(service, media)
    shown = opened(kept)
    assert dict(shown.getexif()) == {}
    assert not {"exif", "comment", "icc_profile", "xmp"} & set(shown.info)
    for remark in (b"Camera", b"Exif", b"secret"):
        assert remark not in kept
    # What was below is at the left, once the image is upright.
    assert shown.getpixel((20, 300)) == pytest.approx((0, 0, 255), abs=5)
    assert shown.getpixel((460, 300)) == pytest.approx((255, 0, 0), abs=5)


async def test_transparency_stays(service: Served, upload: Upload) -> None:
    media = (await upload(encoded(Image.new("RGBA", (50, 50), (255, 0, 0, 0)), "PNG"))).json()
    assert opened(await original(service, media)).getpixel((5, 5)) == (255, 0, 0, 0)
    await render(service)
    answer = await service.anonymous.get(media["sizes"][0]["urls"]["webp"])
    assert opened(answer.content).convert("RGBA").getpixel((5, 5))[3] == 0  # type: ignore[index]


async def test_a_large_image_is_scaled_down(upload: Upload) -> None:
    media = (await upload(picture("JPEG", (5000, 2500)))).json()
    assert (media["width"], media["height"]) == (2560, 1280)
    assert [each["width"] for each in media["sizes"]] == [320, 800, 1600, 2560]


async def test_a_file_beyond_the_limit_is_refused_declared_or_not(upload: Upload) -> None:
    content = bytes(2_000_001)
    assert kind(await upload(content)) == (413, "media-too-large")

    async def parts() -> object:
        for start in range(0, len(content), 65_536):
            yield content[start : start + 65_536]

    assert kind(await upload(parts())) == (413, "media-too-large")


async def test_only_uploads_may_have_more_than_the_general_limit(staff: Caller, upload: Upload) -> None:
    image = encoded(Image.effect_noise((1300, 1300), 100), "PNG")
    assert len(image) > 1_048_576
    assert (await upload(image)).status_code == 201
    assert kind(await staff.post("/products", content=bytes(1_048_577))) == (413, "body-too-large")
    assert kind(await staff.put("/media", content=bytes(1_048_577))) == (413, "body-too-large")


async def test_the_declared_kind_must_be_true(upload: Upload) -> None:
    assert kind(await upload(picture("PNG"), "image/jpeg")) == (422, "media-unreadable")
    assert kind(await upload(picture("PNG"), "image/svg+xml")) == (422, "media-unreadable")
    assert kind(await upload(picture("PNG"), "text/html")) == (422, "media-unreadable")


async def test_only_staff_upload(service: Served) -> None:
    assert (await service.anonymous.post("/media", content=picture())).status_code == 401
    assert (await service.caller().post("/media", content=picture())).status_code == 403


async def test_the_same_file_twice_is_one_image(upload: Upload, folder: Path) -> None:
    first, second = await upload(picture()), await upload(picture())
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert first.headers["location"] == second.headers["location"]
    assert len(files(folder)) == 1


async def test_concurrent_uploads_of_one_file_are_one_image(staff: Caller, upload: Upload, folder: Path) -> None:
    answers = await asyncio.gather(*(upload(picture()) for _ in range(8)))
    assert {each.status_code for each in answers} <= {200, 201}
    assert len({each.json()["id"] for each in answers}) == 1
    assert len((await staff.get("/media")).json()["items"]) == 1
    assert len(files(folder)) == 1


async def test_uploads_of_one_process_are_limited(service: Served, upload: Upload) -> None:
    answers = await asyncio.gather(*(upload(picture("PNG", colour=f"#0000{n:02x}")) for n in range(12)))
    assert sorted(each.status_code for each in answers) == [201] * 8 + [503] * 4
    assert (await upload(picture(colour="#00ffff"))).status_code == 201


async def test_files_may_be_cached_forever_and_run_nothing(service: Served, make_media: MakeMedia) -> None:
    media = await make_media()
    path = f"/media/{media['sha256']}/original.png"
    answer = await service.anonymous.get(path)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers.get_list("cross-origin-resource-policy") == ["cross-origin"]
    known = await service.anonymous.get(path, headers={"If-None-Match": answer.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")
    head = await service.anonymous.head(path)
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(answer.content)))


async def test_until_a_size_exists_its_path_leads_to_the_original(service: Served, make_media: MakeMedia) -> None:
    media = await make_media()
    path = media["sizes"][0]["urls"]["avif"]
    answer = await service.anonymous.get(path)
    assert (answer.status_code, answer.headers["cache-control"]) == (307, "no-store")
    assert answer.headers["location"] == media["sizes"][-1]["urls"]["png"]
    await render(service)
    assert (await service.anonymous.get(path)).status_code == 200
    assert (await service.anonymous.get(f"/media/{'0' * 64}/320.avif")).status_code == 404
    assert (await service.anonymous.get(f"/media/{media['sha256']}/original.jpeg")).status_code == 404
