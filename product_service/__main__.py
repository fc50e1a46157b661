"""`python -m product_service republish-products`: every product is published again, with a new version."""

import argparse
import asyncio

from product_service.products import queries
from product_service.settings import Settings
from service_kit.database import Database


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m product_service")
    parser.add_argument("command", choices=["republish-products"])
    parser.parse_args()
    print(asyncio.run(republish_products(Settings())))  # noqa: T201 (the command's output)


async def republish_products(settings: Settings) -> str:
    """Returns a sentence about the result, for the console."""
    database = Database.of(settings)
    try:
        async with database.transaction() as tx:
            await queries.request_republication(tx)
    finally:
        await database.close()
    return "The service publishes every product again, in batches; this continues after a restart."


if __name__ == "__main__":
    main()
