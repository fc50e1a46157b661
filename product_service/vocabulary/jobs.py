"""Collects the words of the catalogue, by which searches correct misspelt words."""

from datetime import timedelta

from product_service.vocabulary import queries
from service_kit.jobs import Job
from service_kit.runtime import Runtime


async def collect_words(runtime: Runtime) -> None:
    """Until the words of a new product are collected, its misspelt words are found by trigrams alone."""
    async with runtime.database.transaction() as tx:
        await tx.execute("SET LOCAL enable_seqscan = on")
        await queries.collect_words(tx)


JOBS = [Job("collect-search-words", collect_words, every=timedelta(minutes=10))]
