"""Runs `imaging.py`: decodes images in processes of their own, of which few run at a time, with limits on memory and
time."""

import asyncio
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from product_service.media.models import MAX_SIDE, MediaTooLarge, MediaUnreadable, Original
from product_service.settings import Settings
from service_kit.queue import TemporaryFailure

SECONDS = 60
"""The time limit for one image."""
_PROGRAM = Path(__file__).with_name("imaging.py")


class Decoder:
    """The decoders of one process. Others wait for one that is free."""

    def __init__(self, settings: Settings) -> None:
        self._free = asyncio.Semaphore(settings.media_decoders)
        self._memory = settings.media_decoder_mib * 1024 * 1024
        self._limits = settings.media_limits

    async def ingest(self, source: Path, target: Path, declared: str | None) -> Original:
        """Writes an uploaded file into the folder `target` as a plain image.

        `declared`: its kind (`jpeg`), if the sender named one. Raises: MediaUnreadable, MediaTooLarge.
        """
        task = {"declared": declared, "max_pixels": self._limits["max_pixels"], "longest": MAX_SIDE}
        found = await self._run("ingest", source, target, **task)
        if found is None:
            raise MediaUnreadable(reason="decoding it takes too long, or fails")
        if found.get("problem") == "too_large":
            raise MediaTooLarge(reason=found["reason"], **self._limits)
        if "problem" in found:
            raise MediaUnreadable(reason=found["reason"])
        return Original(**found)

    async def render(self, source: Path, target: Path, sizes: dict[str, tuple[int, int]], formats: list[str]) -> None:
        """Writes each size in each format into the folder `target`. Raises: TemporaryFailure."""
        found = await self._run("render", source, target, sizes=sizes, formats=formats)
        if found is None or "problem" in found:
            raise TemporaryFailure(found["reason"] if found else "the decoder crashed or took too long")

    async def _run(self, work: str, source: Path, target: Path, **task: Any) -> dict[str, Any] | None:
        """The decoder's result; None if it crashed or took too long."""
        task |= {"work": work, "source": str(source), "target": str(target)}
        limits = {"memory": self._memory, "seconds": SECONDS}
        async with self._free:
            # `-I` and an empty environment: the process gets none of our modules and secrets.
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", str(_PROGRAM), json.dumps(task | limits)),
                env={},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
            try:
                async with asyncio.timeout(SECONDS):
                    output, _ = await process.communicate()
            except TimeoutError:
                return None
            finally:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        result: dict[str, Any] | None = json.loads(output) if process.returncode == 0 else None
        return result
