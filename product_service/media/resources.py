"""What the service opens once per process for its images."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from product_service.media.decoding import Decoder
from product_service.media.storage import Storage, open_storage
from product_service.settings import Settings
from service_kit.runtime import Runtime

MAX_UPLOADS = 8
"""Uploads that one process receives and decodes at a time: each may be a temporary file of `media_max_bytes`."""


class Images:
    """The storage and the decoders of a process."""

    def __init__(self, storage: Storage, decoder: Decoder) -> None:
        self.storage = storage
        self.decoder = decoder
        self.uploads = 0


@asynccontextmanager
async def open_images(runtime: Runtime) -> AsyncIterator[None]:
    settings = runtime.resource(Settings)
    runtime.provide(Images(open_storage(settings), Decoder(settings)))
    yield
