"""Stores uploaded images, puts them on products and families, and deletes those that nothing shows."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from uuid import UUID

from product_service.families import queries as family_queries
from product_service.media import queries
from product_service.media.decoding import Decoder
from product_service.media.models import (
    FORMATS,
    FamilyMedia,
    Media,
    MediaInUse,
    MediaState,
    MediaUnknown,
    ProductMedia,
    copy_for_owner,
    object_key,
    scaled,
)
from product_service.media.queries import Link, ToRender
from product_service.media.storage import Storage
from product_service.products import use_cases as products
from product_service.products.families import Family
from service_kit.clock import utcnow
from service_kit.concurrency import Expected
from service_kit.database import Database, Session
from service_kit.failpoints import failpoint
from service_kit.problems import Busy, not_found


class Received(NamedTuple):
    """An uploaded file. `declared`: the kind of image that its sender named, if any."""

    file: Path
    sha256: str
    declared: str | None


class Chosen(NamedTuple):
    """An image for a product or family."""

    media_id: UUID
    alt: dict[str, str]


async def upload(database: Database, storage: Storage, decoder: Decoder, received: Received) -> tuple[Media, bool]:
    """Stores the image, unless the same file was stored before. Returns it, and whether it is new.

    The row precedes the object, so that each object in the storage has a row from its first byte on, unless it may be
    removed. Raises: MediaTooLarge, MediaUnreadable, Busy, Unavailable.
    """
    async with database.transaction() as tx:
        if known := await queries.reuse(tx, received.sha256):
            return known, False
    with TemporaryDirectory(prefix="media-") as folder:
        original = await decoder.ingest(received.file, Path(folder), received.declared)
        media = Media(sha256=received.sha256, **original._asdict())
        async with database.transaction() as tx:
            media = await queries.begin(tx, media)
        if media.state not in (
            MediaState.STORING,
            MediaState.FAILED,
        ):  # a concurrent upload of the same file was faster
            return media, False
        # Of concurrent uploads, each stores the same image: any of them may fail.
        file = Path(folder) / f"original.{original.format}"
        failpoint("media.before")
        await storage.put(object_key(media.id, "original", original.format), file)
    failpoint("media.after")
    async with database.transaction() as tx:
        if done := await queries.stored(tx, media.id):
            return done, media.state == MediaState.STORING
        if known := await queries.reuse(tx, received.sha256):
            return known, False
    raise Busy(retry_after=1)  # the sweeper took the row, since storing the image took longer than the grace time


async def put_on_product(tx: Session, product_id: UUID, expected: Expected, images: Sequence[Chosen]) -> None:
    """Replaces the images of a product. Nothing is published: no other service knows images.

    Raises: NotFound, PreconditionFailed, MediaUnknown.
    """
    product = await products.lock(tx, product_id, expected)
    await _put(tx, product, ProductMedia, images)


async def put_on_family(tx: Session, family_id: UUID, expected: Expected, images: Sequence[Chosen]) -> None:
    """Replaces the images of a family. Raises: NotFound, PreconditionFailed, MediaUnknown."""
    family = await family_queries.lock(tx, family_id) or not_found(Family, family_id)
    expected.check(family.version)
    await _put(tx, family, FamilyMedia, images)


async def _put(tx: Session, owner: Any, kind: type[Link], images: Sequence[Chosen]) -> None:
    """`owner` is locked. Raises: MediaUnknown."""
    wanted = [each.media_id for each in images]
    found = await queries.touch(tx, {*wanted, *await queries.media_ids(tx, kind, owner.id)})
    for media_id in wanted:
        if media_id not in found:
            raise MediaUnknown(media_id=str(media_id))
    copies = [copy_for_owner(found[each.media_id], each.alt) for each in images]
    if copies == owner.images:
        return
    links = [
        kind(**{kind.OWNER: owner.id}, media_id=each.media_id, position=position, alt=each.alt)
        for position, each in enumerate(images)
    ]
    await queries.replace(tx, kind, owner.id, links)
    owner.images = copies
    owner.version += 1
    owner.updated_at = utcnow()


async def delete(tx: Session, media_id: UUID) -> None:
    """A job removes its files soon after. Raises: NotFound, MediaInUse."""
    media = await queries.lock(tx, media_id) or not_found("image", media_id)
    owners = await queries.owners(tx, media_id)
    if any(owners.values()):
        raise MediaInUse(product_ids=owners["product_ids"], family_ids=owners["family_ids"])
    media.state = MediaState.DELETING
    media.attempts = 0
    media.next_attempt_at = media.deleted_at = utcnow()


async def render(storage: Storage, decoder: Decoder, media: ToRender) -> str:
    """Makes and stores an image's sizes in each format. Raises: TemporaryFailure, Unavailable."""
    with TemporaryDirectory(prefix="media-") as name:
        folder = Path(name)
        source = folder / f"original.{media.format}"
        stored = await storage.open(object_key(media.id, "original", media.format))
        if stored is None:
            raise FileNotFoundError("its original is not in the storage")
        with source.open("wb") as file:
            async for chunk in stored.chunks:
                file.write(chunk)
        sizes = {str(size): (width, height) for size, width, height in scaled(media.width, media.height)}
        await decoder.render(source, folder, sizes, list(FORMATS))
        for size in sizes:
            for format in FORMATS:
                await storage.put(object_key(media.id, size, format), folder / f"{size}.{format}")
    return MediaState.READY


async def remove_files(storage: Storage, media_id: UUID) -> None:
    """Raises: Unavailable."""
    keys = [found.key async for found in storage.list(f"{media_id}")]
    for key in keys:
        await storage.delete(key)
