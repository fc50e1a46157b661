"""Receives files, and works through them in batches."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from uuid import UUID

from product_service.categories import use_cases as categories
from product_service.imports import price_rows, product_rows, queries
from product_service.imports.columns import check_header, check_members
from product_service.imports.models import (
    CHUNK_BYTES,
    Format,
    Import,
    ImportChunk,
    ImportUnreadable,
    Kind,
    OnError,
    State,
)
from product_service.imports.product_rows import CategoriesMissing
from product_service.imports.records import BOM, Record, RowFailed, cells, end_of_record, values
from product_service.imports.rows import Outcome, Row
from product_service.products.prior_prices import PriorPriceRule
from service_kit.clock import utcnow
from service_kit.csv_lines import as_written
from service_kit.database import Database, Session
from service_kit.database.signals import signal
from service_kit.problems import Problem, not_found

SIGNAL = "imports"
BATCH = 500
"""Rows of one transaction. It locks their products, so that changes of those by others wait for it."""
BATCH_BYTES = 4 * 1024 * 1024
MAX_ATTEMPTS = 5
UNFINISHED, KEPT = timedelta(days=1), timedelta(days=30)
"""After these times, imports are deleted whose file never arrived as a whole, and those that have ended."""
_STORE: dict[Kind, Callable[..., Awaitable[None]]] = {Kind.PRODUCTS: product_rows.store, Kind.PRICES: price_rows.store}


class _FirstFailure(Exception):
    """A row failed, and the import stops at the first that does: only those before it are to be stored."""

    def __init__(self, before: int) -> None:
        super().__init__()
        self.before = before


async def receive(database: Database, wanted: Import, parts: AsyncIterator[bytes], locales: Sequence[str]) -> Import:
    """Stores the file in chunks, each by a transaction of its own, since a sender may be slow. A file that doesn't
    arrive as a whole is deleted. Raises: ImportUnreadable, and what `parts` raises."""
    async with database.session() as tx:
        tx.add(wanted)
    try:
        await _store_chunks(database, wanted, parts, locales)
    except Exception:
        async with database.session() as tx:
            await queries.delete_import(tx, wanted.id)
        raise
    async with database.session() as tx:
        stored = await queries.lock(tx, wanted.id) or not_found(Import, wanted.id)
        stored.sqlmodel_update(wanted.model_dump(include={"columns", "size", "position"}))
        stored.state = State.QUEUED
        signal(tx, SIGNAL)
    return stored


async def _store_chunks(
    database: Database, wanted: Import, parts: AsyncIterator[bytes], locales: Sequence[str]
) -> None:
    number, buffer = 0, bytearray()
    async for part in parts:
        buffer += part
        while len(buffer) > CHUNK_BYTES:
            await _store_chunk(database, wanted, number, bytes(buffer[:CHUNK_BYTES]), locales)
            del buffer[:CHUNK_BYTES]
            number += 1
    await _store_chunk(database, wanted, number, bytes(buffer), locales)


async def _store_chunk(database: Database, wanted: Import, number: int, content: bytes, locales: Sequence[str]) -> None:
    if number == 0:
        _read_start(wanted, content, locales)
    async with database.session() as tx:
        tx.add(ImportChunk(import_id=wanted.id, number=number, content=content))
    wanted.size += len(content)


def _read_start(wanted: Import, content: bytes, locales: Sequence[str]) -> None:
    """Sets where the first row begins, and the columns of a CSV file. Raises: ImportUnreadable."""
    wanted.position = len(BOM) if content.startswith(BOM) else 0
    if not content[wanted.position :].strip():
        raise ImportUnreadable(reason="it is empty")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ImportUnreadable(reason="it is encoded as UTF-16: save it as UTF-8")
    if wanted.format != Format.CSV:
        return
    end = end_of_record(content, wanted.position, Format.CSV, is_last=len(content) < CHUNK_BYTES)
    try:
        header = cells(content[wanted.position : end or len(content)])
    except RowFailed as error:
        raise ImportUnreadable(reason=f"its first line names no columns. {error.message}") from error
    wanted.columns = [as_written(name).strip() for name in header]
    check_header(wanted.kind, wanted.columns, locales)
    wanted.position = end or len(content)


async def cancel(tx: Session, import_id: UUID, by: UUID) -> Import:
    """What was stored stays. Waits for the batch that is being stored. Raises: NotFound, ImportEnded."""
    wanted = await queries.lock(tx, import_id) or not_found(Import, import_id)
    await _end(tx, wanted, State.CANCELLED)
    wanted.cancelled_by = by
    return wanted


async def store_next(database: Database, kind: Kind, locales: Sequence[str], rule: PriorPriceRule) -> bool:
    """Stores the next rows of the oldest import of this kind that has not ended. Returns whether there may be more.

    The rows, their events, and the position of the next row are one transaction: a process that is killed loses what it
    has not committed, and the next one continues there.
    """
    most, may_create = BATCH, True
    while True:
        try:
            async with database.session() as tx:
                wanted = await queries.lock_next(tx, kind)
                if wanted is None:
                    return False
                await _store_batch(tx, wanted, locales, most, may_create=may_create, rule=rule)
            return True
        except _FirstFailure as stop:
            most = max(stop.before, 1)
        except CategoriesMissing as missing:
            await _create_categories(database, kind, missing.paths)
            may_create = False


async def _store_batch(
    tx: Session, wanted: Import, locales: Sequence[str], most: int, *, may_create: bool, rule: PriorPriceRule
) -> None:
    records, position = await _records(tx, wanted, most)
    outcome, rows = Outcome(), []
    seen: set[str] = set()
    for index, record in enumerate(records):
        try:
            found = values(record.content, wanted.columns)
            row = Row(record, check_members(wanted.kind, found, locales), found)
        except RowFailed as error:
            outcome.fail(wanted, record, error)
            continue
        if wanted.kind == Kind.PRODUCTS and row.sku in seen:  # it finds what the first has stored
            records, position = records[:index], records[index - 1].end
            break
        seen.add(row.sku)
        rows.append(row)
    if rows:
        await _STORE[Kind(wanted.kind)](tx, wanted, rows, outcome, may_create=may_create, rule=rule)
    await _finish_batch(tx, wanted, records, position, outcome)


async def _finish_batch(
    tx: Session, wanted: Import, records: Sequence[Record], position: int, outcome: Outcome
) -> None:
    """Stores how far the import has come. Raises: _FirstFailure."""
    stops = wanted.on_error == OnError.STOP and bool(outcome.failures)
    if stops and len(records) > 1:
        raise _FirstFailure(min(each.row_number for each in outcome.failures) - records[0].number)
    wanted.state, wanted.attempts, wanted.updated_at = State.RUNNING, 0, utcnow()
    wanted.position = position
    wanted.rows += len(records)
    wanted.created += outcome.created
    wanted.changed += outcome.changed
    wanted.unchanged += outcome.unchanged
    wanted.failed += len(outcome.failures)
    await tx.flush()
    if outcome.failures:
        await queries.ADD_FAILURES.execute(tx, failures=outcome.failures)
    if stops:
        await _end(tx, wanted, State.FAILED, f"stopped at row {records[0].number}, which failed")
    elif position >= wanted.size:
        await _end(tx, wanted, State.DONE)


async def _end(tx: Session, wanted: Import, state: State, error: str | None = None) -> None:
    wanted.end(state, error)
    wanted.updated_at = utcnow()
    await queries.delete_chunks(tx, wanted.id)


async def _records(tx: Session, wanted: Import, most: int) -> tuple[list[Record], int]:
    """The next rows, and where those after them begin. Blank lines are no rows."""
    number, skip = divmod(wanted.position, CHUNK_BYTES)
    buffer, base, start = b"", wanted.position, 0
    found: list[Record] = []
    while len(found) < most and base + start < min(wanted.size, wanted.position + BATCH_BYTES):
        is_last = base + len(buffer) >= wanted.size
        end = end_of_record(buffer, start, wanted.format, is_last=is_last)
        if end is None:
            chunk = await queries.chunk(tx, wanted.id, number)
            if chunk is None:
                raise RuntimeError(f"chunk {number} of the import {wanted.id} is missing")
            buffer, base, start = buffer[start:] + chunk[skip:], base + start, 0
            number, skip = number + 1, 0
            continue
        if buffer[start:end].strip():
            found.append(Record(wanted.rows + len(found) + 1, buffer[start:end], base + end))
        start = end
    return found, base + start


async def _create_categories(database: Database, kind: Kind, paths: Sequence[Sequence[str]]) -> None:
    """Creates the categories that are missing on these paths, by a transaction of its own, since that locks the whole
    tree. A path that breaks a rule stays missing, and the rows with it fail."""
    async with database.session() as tx:
        if await queries.lock_next(tx, kind) is None:
            return
        known = {(each.parent_id, each.name): each.id for each in await queries.categories(tx)}
        for path in paths:
            above: UUID | None = None
            for name in path:
                try:
                    created = known.get((above, name)) or (await categories.create(tx, name, above)).id
                except Problem:
                    break
                known[above, name] = created
                above = created


async def note_failure(database: Database, kind: Kind, error: Exception) -> None:
    """Counts that the next rows failed as a whole; after MAX_ATTEMPTS, the import ends, so that others follow."""
    async with database.session() as tx:
        wanted = await queries.lock_next(tx, kind)
        if wanted is None:
            return
        wanted.attempts += 1
        if wanted.attempts >= MAX_ATTEMPTS:
            await _end(tx, wanted, State.FAILED, f"internal error after row {wanted.rows}: {type(error).__name__}")
