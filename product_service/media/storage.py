"""Where the files of images are: a folder that all processes of the service share, or a bucket of an S3 server."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any, NamedTuple, Protocol

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from product_service.settings import Settings
from service_kit.problems import Unavailable

CHUNK = 256 * 1024
_UNFINISHED = ".part"
_UNFINISHED_SECONDS = 24 * 3600


class Stored(NamedTuple):
    """An object that is being read; `size` in bytes."""

    size: int
    chunks: AsyncIterator[bytes]


class Found(NamedTuple):
    """An object in a list."""

    key: str
    modified_at: datetime


class Storage(Protocol):
    """Objects by key (`a/b.jpeg`). An object that `put` has stored survives a crash, and is never seen half."""

    async def put(self, key: str, file: Path) -> None:
        """Stores a copy of the file, instead of one that has this key. Raises: Unavailable."""

    async def open(self, key: str) -> Stored | None:
        """None: there is none. Raises: Unavailable."""

    async def delete(self, key: str) -> None:
        """Does nothing if there is none. Raises: Unavailable."""

    def list(self, prefix: str = "") -> AsyncIterator[Found]:
        """The objects in the folder `prefix` and below it, in any order. Raises: Unavailable."""


def open_storage(settings: Settings) -> Storage:
    return Bucket(settings) if settings.media_s3_bucket else Folder(settings.media_dir)


class Folder:
    """Files in a folder. obstore could do this too, but without fsync: after a power failure, rows would refer to files
    that are empty."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def put(self, key: str, file: Path) -> None:
        await asyncio.to_thread(self._put, key, file)

    def _put(self, key: str, file: Path) -> None:
        target = self._root / key
        target.parent.mkdir(parents=True, exist_ok=True)
        with (
            NamedTemporaryFile(dir=target.parent, suffix=_UNFINISHED, delete=False) as draft,
            file.open("rb") as source,
        ):
            while chunk := source.read(CHUNK):
                draft.write(chunk)
            draft.flush()
            os.fsync(draft.fileno())
        Path(draft.name).replace(target)
        for folder in (target.parent, self._root):
            _sync(folder)

    async def open(self, key: str) -> Stored | None:
        try:
            file = await asyncio.to_thread((self._root / key).open, "rb")
        except FileNotFoundError:
            return None
        return Stored(os.fstat(file.fileno()).st_size, _chunks(file))

    async def delete(self, key: str) -> None:
        await asyncio.to_thread(self._delete, self._root / key)

    def _delete(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        with suppress(OSError):  # it has other files
            path.parent.rmdir()

    async def list(self, prefix: str = "") -> AsyncIterator[Found]:
        found = self._walk(self._root / prefix)
        while page := await asyncio.to_thread(_page, found):
            for each in page:
                yield each

    def _walk(self, folder: Path) -> Iterator[Found]:
        """Removes what a crash has left of a `put`."""
        try:
            entries = list(os.scandir(folder))
        except FileNotFoundError:
            return
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(Path(entry.path))
                continue
            with suppress(FileNotFoundError):
                modified = entry.stat().st_mtime
                if not entry.name.endswith(_UNFINISHED):
                    key = Path(entry.path).relative_to(self._root).as_posix()
                    yield Found(key, datetime.fromtimestamp(modified, UTC))
                elif modified < time.time() - _UNFINISHED_SECONDS:
                    Path(entry.path).unlink(missing_ok=True)


class Bucket:
    """Objects in a bucket. Without keys in the settings, obstore takes those that the environment gives a process of
    AWS (the variables AWS_…, or the role of a pod or machine)."""

    def __init__(self, settings: Settings) -> None:
        config: dict[str, Any] = {"region": settings.media_s3_region, "virtual_hosted_style_request": False}
        if settings.media_s3_endpoint_url:
            config["endpoint"] = settings.media_s3_endpoint_url
        if settings.media_s3_access_key:
            config["access_key_id"] = settings.media_s3_access_key
            config["secret_access_key"] = settings.media_s3_secret_key.get_secret_value()
        self._store = S3Store(
            settings.media_s3_bucket,
            config=config,  # type: ignore[arg-type]
            # Settings reject http:// in production, unless PLAIN_HTTP_HOSTS names the host.
            client_options={"allow_http": True, "timeout": timedelta(seconds=30)},
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=10)},
        )

    async def put(self, key: str, file: Path) -> None:
        with _unavailable():
            await obstore.put_async(self._store, key, file)

    async def open(self, key: str) -> Stored | None:
        with _unavailable():
            try:
                found = await obstore.get_async(self._store, key)
            except FileNotFoundError:
                return None
            return Stored(found.meta["size"], _bytes(found.stream(CHUNK)))

    async def delete(self, key: str) -> None:
        with _unavailable(), suppress(FileNotFoundError):
            await obstore.delete_async(self._store, key)

    async def list(self, prefix: str = "") -> AsyncIterator[Found]:
        with _unavailable():
            async for page in obstore.list(self._store, prefix or None, chunk_size=1000):
                for each in page:
                    yield Found(each["path"], each["last_modified"])


class _unavailable:  # noqa: N801 (a context manager)
    """Turns errors of the server into Unavailable."""

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, BaseError):
            raise Unavailable(what="The storage of images", retry_after=5) from error


async def _chunks(file: IO[bytes]) -> AsyncIterator[bytes]:
    with file:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk


async def _bytes(stream: Any) -> AsyncIterator[bytes]:
    async for chunk in stream:
        yield bytes(chunk)


def _page(found: Iterator[Found]) -> list[Found]:
    return [each for _, each in zip(range(1000), found, strict=False)]


def _sync(folder: Path) -> None:
    """Makes the names in a folder survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
