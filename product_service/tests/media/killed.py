"""A process that uploads an image, and that its failpoint kills: `python -m … DATABASE_URL MEDIA_DIR IMAGE`."""

import asyncio
import hashlib
import sys
from pathlib import Path

from product_service.media import use_cases
from product_service.media.decoding import Decoder
from product_service.media.storage import open_storage
from product_service.settings import Settings
from service_kit import failpoints
from service_kit.database import Database
from tests.harness import tokens


async def main(url: str, folder: str, image: str) -> None:
    settings = Settings(
        environment="development",
        database_url=url,
        media_dir=folder,
        public_issuer=tokens.ISSUER,
        kafka_bootstrap_servers="127.0.0.1:1",
    )
    failpoints.arm(Path(image).parent, "product")
    database = Database.of(settings)
    file = Path(image)
    received = use_cases.Received(file, hashlib.sha256(file.read_bytes()).hexdigest(), None)
    await use_cases.upload(database, open_storage(settings), Decoder(settings), received)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
