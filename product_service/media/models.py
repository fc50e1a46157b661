"""Images, which products and families show them, and their rules."""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, NamedTuple
from uuid import UUID

from sqlalchemy import Column, ForeignKey, Index, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from product_service.base import Base
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.problems import Problem

SIZES = (320, 800, 1600)
"""The longest side of what the job makes, in pixels."""
FORMATS = ("avif", "webp")
MAX_SIDE = 2560
"""The longest side of a stored original, in pixels: a larger upload is scaled down to it."""
MAX_IMAGES = 20
"""Of one product or family: they are part of each response that shows it."""


class MediaTooLarge(Problem, status=413, type="media-too-large"):
    """The image can't be taken: {reason}. It may have {max_bytes} bytes and {max_pixels} pixels: make it smaller."""


class MediaUnreadable(Problem, status=422, type="media-unreadable"):
    """This file can't be taken as an image: {reason}. Send one JPEG, PNG, WebP or GIF."""


class MediaInUse(Problem, status=409, type="media-in-use"):
    """Products or families show this image; `product_ids` and `family_ids` name some. Take it off them first."""


class MediaUnknown(Problem, status=409, type="media-unknown"):
    """There is no image {media_id} to put here: upload it first."""


class MediaState(StrEnum):
    """`storing`: its file is being stored. `pending`: sizes and formats are made soon; until then, the original is
    shown. `ready`: they exist. `failed`: they could not be made. `deleting`: its files are being removed."""

    STORING = "storing"
    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"
    DELETING = "deleting"


class Original(NamedTuple):
    """What is stored of an uploaded image; `bytes`: its size."""

    width: int
    height: int
    format: str
    bytes: int


class Media(Base, table=True):
    """An image. Its objects in the storage begin with its id, and no id is ever given again: so what a slow process
    still writes or removes for a deleted image can't touch one that was uploaded since."""

    __tablename__ = "media"
    __table_args__ = (
        Index("uq_media_sha256", "sha256", unique=True, postgresql_where=text("state <> 'deleting'")),
        Index("ix_media_touched_at", "touched_at", postgresql_where=text("state <> 'deleting'")),
        Index("ix_media_next_attempt_at", "next_attempt_at", postgresql_where=text("state IN ('pending', 'deleting')")),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    sha256: str = Field(description="of the file as it was uploaded, in hexadecimal")
    format: str
    bytes: int
    width: int
    height: int
    state: str = MediaState.STORING
    attempts: int = 0
    error: str | None = None
    next_attempt_at: datetime = Field(default_factory=utcnow)
    touched_at: datetime = Field(default_factory=utcnow)
    """When it was last uploaded, put on something, or taken off. It is updated in the same transaction, so that the
    sweeper, which updates the row too, sees the change or waits for it."""
    deleted_at: datetime | None = None
    """For the audit log, which omits the state: an upload is one entry there."""
    created_at: datetime = Field(default_factory=utcnow)


class ProductMedia(Base, table=True):
    """An image of a product. `Product.images` is a copy of all of a product's, in the order of `position`."""

    __tablename__ = "product_media"
    OWNER: ClassVar = "product_id"

    product_id: UUID = Field(
        sa_column=Column(Uuid, ForeignKey("products.id", ondelete="CASCADE"), primary_key=True, nullable=False)
    )
    media_id: UUID = Field(foreign_key="media.id", primary_key=True, index=True)
    position: int
    alt: dict[str, str] = Field(sa_column=Column(JSONB, nullable=False))


class FamilyMedia(Base, table=True):
    """An image of a family. `Family.images` is a copy of all of a family's, in the order of `position`."""

    __tablename__ = "family_media"
    OWNER: ClassVar = "family_id"

    family_id: UUID = Field(
        sa_column=Column(Uuid, ForeignKey("families.id", ondelete="CASCADE"), primary_key=True, nullable=False)
    )
    media_id: UUID = Field(foreign_key="media.id", primary_key=True, index=True)
    position: int
    alt: dict[str, str] = Field(sa_column=Column(JSONB, nullable=False))


def object_key(media_id: UUID, name: str, format: str) -> str:
    """The key in the storage. `name`: a size (`320`), or `original`."""
    return f"{media_id}/{name}.{format}"


def scaled(width: int, height: int) -> Iterator[tuple[int, int, int]]:
    """The sizes that are made of an original: each of SIZES with its width and height, up to the first that the
    original doesn't exceed. Nothing is enlarged."""
    longest = max(width, height)
    for size in SIZES:
        scale = min(1.0, size / longest)
        yield size, max(1, round(width * scale)), max(1, round(height * scale))
        if size >= longest:
            return


def copy_for_owner(media: Media, alt: dict[str, str]) -> dict[str, Any]:
    """What the row of a product or family has of an image (`products.schemas.ImageOut`). It follows from what never
    changes of an image, so the job that makes the sizes need not touch those rows."""
    path = f"/media/{media.sha256}"
    sizes = [
        {"width": width, "height": height, "urls": {format: f"{path}/{size}.{format}" for format in FORMATS}}
        for size, width, height in scaled(media.width, media.height)
    ]
    original = {media.format: f"{path}/original.{media.format}"}
    return {
        "media_id": str(media.id),
        "alt": alt,
        "width": media.width,
        "height": media.height,
        "sizes": [*sizes, {"width": media.width, "height": media.height, "urls": original}],
    }
