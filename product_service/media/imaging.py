"""Decodes, re-encodes and scales one image, in a process of its own.

`decoding.py` runs this file as a program, without the service's environment and its modules: a hostile image that
crashes or exhausts a decoder ends this process alone, which has no secret and holds no lock. The task is JSON in the
first argument, the result JSON on stdout.
"""

import json
import os
import resource
import sys
import warnings
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageCms, UnidentifiedImageError

ACCEPTED = ("JPEG", "PNG", "WEBP", "GIF")
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
"""What makes an image upright, by its orientation in EXIF."""
_ENCODING: dict[str, dict[str, Any]] = {
    "jpeg": {"quality": 90, "optimize": True},
    "png": {},
    "webp": {"quality": 80, "method": 4},
    "avif": {"quality": 60, "speed": 8, "max_threads": 1},
}


class Rejected(Exception):
    """`problem`: `too_large` or `unreadable`; the text says why."""

    def __init__(self, problem: str, reason: str) -> None:
        super().__init__(reason)
        self.problem = problem


def ingest(source: str, target: str, declared: str | None, max_pixels: int, longest: int) -> dict[str, Any]:
    """Writes the image upright, in sRGB, with sides of `longest` pixels at most, and with nothing but its pixels, into
    the folder `target`. A JPEG stays one, and all else becomes PNG, which loses nothing. Raises: Rejected."""
    with _opened(source, max_pixels, longest) as (image, kind):
        if declared is not None and declared != kind:
            raise Rejected("unreadable", f"it is declared as image/{declared}, and is image/{kind}")
        orientation = _orientation(image)
        pixels = _plain(image)
    pixels.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    if transpose := _UPRIGHT.get(orientation):
        pixels = pixels.transpose(transpose)
    format = "jpeg" if kind == "jpeg" else "png"
    path = Path(target) / f"original.{format}"
    _save(pixels, path, format)
    return {"width": pixels.width, "height": pixels.height, "format": format, "bytes": path.stat().st_size}


def render(source: str, target: str, sizes: dict[str, list[int]], formats: list[str]) -> dict[str, Any]:
    """Writes the image at each of `sizes` (a name, and width and height in pixels) in each format into the folder
    `target`, as `name.format`."""
    with Image.open(source, formats=("JPEG", "PNG")) as image:
        image.load()
        for name, (width, height) in sizes.items():
            scaled = image.resize((width, height), Image.Resampling.LANCZOS)
            for format in formats:
                _save(scaled, Path(target) / f"{name}.{format}", format)
    return {}


class _opened:  # noqa: N801 (a context manager)
    """The first frame of an image file, decoded, and its kind (`jpeg`). Raises: Rejected."""

    def __init__(self, source: str, max_pixels: int, longest: int) -> None:
        Image.MAX_IMAGE_PIXELS = max_pixels
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            self.image = Image.open(source, formats=ACCEPTED)
            width, height = self.image.size
            if width * height > max_pixels:
                raise Image.DecompressionBombError(f"{width} x {height}")
            self.kind = "jpeg" if self.image.format == "MPO" else str(self.image.format).lower()
            # Cameras put previews and depth behind a JPEG's first picture, and shops upload GIFs for their first.
            if self.kind not in ("jpeg", "gif") and getattr(self.image, "is_animated", False):
                raise Rejected("unreadable", "it is animated: upload one picture")
            self.image.draft(None, (longest, longest))
            self.image.load()
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise Rejected("too_large", f"it has more than {max_pixels} pixels") from None
        except UnidentifiedImageError:
            raise Rejected("unreadable", "it is no JPEG, PNG, WebP or GIF") from None
        except (OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError, ArithmeticError, LookupError):
            raise Rejected("unreadable", "it is damaged or incomplete") from None

    def __enter__(self) -> tuple[Image.Image, str]:
        return self.image, self.kind

    def __exit__(self, *_: object) -> None:
        self.image.close()


def _orientation(image: Image.Image) -> int:
    with suppress(Exception):  # broken metadata says nothing, and the pixels are fine
        return int(image.getexif().get(_ORIENTATION, 1))
    return 1


def _plain(image: Image.Image) -> Image.Image:
    """The pixels as RGB or RGBA, in sRGB, without anything else that the file had."""
    profile = image.info.get("icc_profile")
    has_alpha = image.has_transparency_data
    if image.mode.startswith("I"):  # 16 bits of grey
        image = image.point(lambda value: value * (1 / 256)).convert("L")
    if profile and image.mode in ("RGB", "CMYK"):
        with suppress(ImageCms.PyCMSError, OSError):  # with a broken profile, colours are taken as they are
            wide = ImageCms.ImageCmsProfile(BytesIO(profile))
            converted = ImageCms.profileToProfile(image, wide, ImageCms.createProfile("sRGB"), outputMode="RGB")
            image = converted or image
    plain = image.convert("RGBA" if has_alpha else "RGB")
    plain.info = {}
    return plain


def _save(image: Image.Image, path: Path, format: str) -> None:
    image.save(path, format, **_ENCODING[format])


def _limit(memory: int, seconds: int) -> None:
    """Limits this process: `memory` is its address space in bytes, `seconds` its processor time."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(5)  # the process that serves requests goes first


def main() -> None:
    task = json.loads(sys.argv[1])
    _limit(task.pop("memory"), task.pop("seconds"))
    work = ingest if task.pop("work") == "ingest" else render
    try:
        result = work(**task)
    except Rejected as error:
        result = {"problem": error.problem, "reason": str(error)}
    except MemoryError:
        result = {"problem": "too_large", "reason": "it takes too much memory"}
    print(json.dumps(result))  # noqa: T201 (the result)


if __name__ == "__main__":
    main()
