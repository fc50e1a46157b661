"""Makes the sizes and formats of images, and removes the files of images that were deleted or that nothing shows."""

from datetime import timedelta
from uuid import UUID

import structlog

from product_service.media import queries, use_cases
from product_service.media.queries import TO_DELETE, TO_RENDER, ToRender
from product_service.media.resources import Images
from product_service.settings import Settings
from service_kit.clock import utcnow
from service_kit.jobs import Job
from service_kit.problems import Unavailable
from service_kit.queue import Backoff, Claimed, Unreachable, Worker
from service_kit.runtime import Runtime

BATCH = 500
TO_READY = Backoff(timedelta(seconds=5), timedelta(minutes=10), attempts=5)
TO_REMOVE = Backoff(timedelta(seconds=5), timedelta(hours=1))
log = structlog.get_logger(__name__)


async def render(runtime: Runtime) -> bool:
    """Makes the sizes of a few images. Returns whether there may be more."""
    images = runtime.resource(Images)

    async def handle(media: ToRender) -> str:
        try:
            return await use_cases.render(images.storage, images.decoder, media)
        except Unavailable as error:
            raise Unreachable(str(error)) from error

    concurrency = runtime.resource(Settings).media_decoders
    worker = Worker(
        TO_RENDER,
        TO_READY,
        queries.claim_to_render,
        handle,
        queries.finish_rendering,
        concurrency,
    )
    return await worker.run(runtime.database)


async def remove(runtime: Runtime) -> bool:
    """Removes the files of images that are to be deleted, and then their rows. Returns whether there may be more."""
    storage = runtime.resource(Images).storage

    async def handle(media: Claimed) -> str:
        try:
            await use_cases.remove_files(storage, media.id)
        except Unavailable as error:
            raise Unreachable(str(error)) from error
        return "deleted"

    worker = Worker(TO_DELETE, TO_REMOVE, queries.claim_to_delete, handle, queries.finish_deleting, concurrency=4)
    return await worker.run(runtime.database)


async def sweep(runtime: Runtime) -> bool:
    """Marks a batch of images that nothing shows for deletion. Returns whether there may be more."""
    grace = runtime.resource(Settings).media_grace
    async with runtime.database.connection() as connection:
        return await queries.sweep(connection, grace, BATCH) == BATCH


async def sweep_storage(runtime: Runtime) -> None:
    """Removes objects without a row: what a process stored after its row had been swept, or what was uploaded after the
    moment to which the database was restored. A row precedes its objects and ids are given once, so an object that has
    no row now never gets one."""
    storage, before = runtime.resource(Images).storage, utcnow() - runtime.resource(Settings).media_grace
    batch: dict[str, UUID] = {}
    async for found in storage.list():
        if found.modified_at < before and (media_id := _media_id(found.key)):
            batch[found.key] = media_id
        if len(batch) >= BATCH:
            await _remove_without_row(runtime, batch)
            batch = {}
    await _remove_without_row(runtime, batch)


async def _remove_without_row(runtime: Runtime, objects: dict[str, UUID]) -> None:
    storage = runtime.resource(Images).storage
    async with runtime.database.connection() as connection:
        unknown = await queries.without_row(connection, set(objects.values()))
    for key, media_id in objects.items():
        if media_id in unknown:
            await storage.delete(key)
            log.info("media_without_row_removed", key=key)


def _media_id(key: str) -> UUID | None:
    """None for an object that is not ours."""
    try:
        return UUID(key.partition("/")[0])
    except ValueError:
        return None


JOBS = [
    Job("render-media", render, every=timedelta(seconds=1)),
    Job("remove-media", remove, every=timedelta(seconds=10)),
    Job("sweep-media", sweep, every=timedelta(hours=1)),
    Job("sweep-media-storage", sweep_storage, every=timedelta(days=1)),
]
