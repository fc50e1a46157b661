"""Request and response bodies of images."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from product_service.media.models import MAX_IMAGES, Media, MediaState, copy_for_owner
from product_service.products.schemas import ImageSize
from product_service.text import Storable
from service_kit.schemas import RequestBody, RowOut, examples

Locale = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$")]
AltText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), Storable]
_ID = "0199c1a0-5b00-7a10-8c00-000000000041"
_SHA256 = "2c26" * 16


class ImageIn(RequestBody):
    media_id: UUID
    alt: dict[Locale, AltText] = Field(
        default={}, max_length=20, description="what the image shows, by language, for those who can't see it"
    )


class ImagesIn(RequestBody):
    """All images, in the sequence in which they are shown; the first is the main one."""

    model_config = examples({"images": [{"media_id": _ID, "alt": {"en": "A white heart", "de": "Ein weißes Herz"}}]})

    images: list[ImageIn] = Field(max_length=MAX_IMAGES)

    @model_validator(mode="after")
    def _different(self) -> "ImagesIn":
        if len({each.media_id for each in self.images}) < len(self.images):
            raise ValueError("images must be different")
        return self


class MediaOut(RowOut):
    """An uploaded image. `width`, `height` and `bytes` are those of the stored original."""

    model_config = examples({
        "id": _ID, "sha256": _SHA256, "format": "jpeg", "bytes": 41_312, "width": 640, "height": 480,
        "state": "ready", "attempts": 0, "error": None,
        "sizes": [
            {"width": 320, "height": 240, "urls": {"webp": f"/media/{_SHA256}/320.webp"}},
            {"width": 640, "height": 480, "urls": {"jpeg": f"/media/{_SHA256}/original.jpeg"}},
        ],
        "created_at": "2026-01-01T00:00:00Z",
    })  # fmt: skip

    id: UUID
    sha256: str
    format: str
    bytes: int
    width: int
    height: int
    state: MediaState
    attempts: int = Field(description="failed attempts to make the sizes and formats")
    error: str | None = Field(description="of the last attempt that failed")
    sizes: list[ImageSize]
    created_at: datetime

    @classmethod
    def of_media(cls, media: Media) -> "MediaOut":
        shown: dict[str, Any] = copy_for_owner(media, {})
        return cls.of(media, sizes=shown["sizes"])
