"""Image files for tests."""

import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image


def picture(format: str = "JPEG", size: tuple[int, int] = (640, 480), colour: str = "red", **options: Any) -> bytes:
    """An image file: the left half in `colour`, the right half white."""
    image = Image.new("RGB", size, colour)
    image.paste("white", (size[0] // 2, 0, *size))
    return encoded(image, format, **options)


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def opened(content: bytes) -> Image.Image:
    """The image in a file, decoded. Its file is all in memory."""
    image = Image.open(BytesIO(content))
    image.load()
    return image


def bomb(side: int) -> bytes:
    """A small PNG file of `side` × `side` pixels, which take a byte each when decoded."""
    rows = zlib.compressobj(9)
    data = b"".join(rows.compress(bytes(side + 1)) for _ in range(side)) + rows.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(_chunk, (b"IHDR", b"IDAT", b"IEND"), (header, data, b"")))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
