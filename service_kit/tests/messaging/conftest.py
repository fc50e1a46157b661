"""A fixture with two services on real servers, with databases and topics for one test."""

import secrets
from collections.abc import AsyncIterator

import pytest

from service_kit.tests.messaging.shop import Shop, create_tables, create_topics
from tests.harness.databases import drop_database, new_database


@pytest.fixture
async def shop(kafka: str) -> AsyncIterator[Shop]:
    urls = [new_database(), new_database()]
    prefix = f"t{secrets.token_hex(4)}-"
    for url in urls:
        create_tables(url)
    await create_topics(kafka, prefix, max_bytes=20_000)
    made = Shop(kafka, prefix, *urls)
    yield made
    await made.close()
    for url in urls:
        drop_database(url)
