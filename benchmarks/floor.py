"""The CPU time that PostgreSQL and Kafka alone need for an order: the lower limit of its cost.

PostgreSQL: `psql` repeats every statement that the services sent while they processed orders, one after the other, on
copies that were made of the databases before. The statements are read from the server's log; they are prepared and
planned as those of the services, with the same values. Kafka: the client alone sends as many records, and fetches them
as often, in the largest possible batches.
"""

import asyncio
import re
import resource
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
from sqlalchemy import make_url

from benchmarks.stage import connected
from local_stack.postgres import binaries
from local_stack.shop import Shop
from service_kit.database.administration import administration
from service_kit.database.sessions import BY_INDEX

SERVICES = ("user", "product", "inventory", "order", "notification")
# The embedded server's `log_line_prefix`: the time, the process, and the database, which has the name of the service.
_BEGINS = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ \w+ \[\d+\] "
_ENTRY = re.compile(r"^\d{4}-\S+ \S+ \w+ \[(\d+)\] (\w+)_service (LOG|DETAIL):  (.*)$", re.DOTALL)
_EXECUTE = re.compile(r"^execute [^:]+: (.*)$", re.DOTALL)
_PARAMETERS = re.compile(r"^[Pp]arameters: (.*)$", re.DOTALL)
_VALUE = re.compile(r"\$\d+ = (NULL|'(?:[^']|'')*')")
_ENDS = ("COMMIT", "ROLLBACK")
# Statements that set up a connection, and so do not belong to an order.
_NOT_OURS = ("LISTEN", "SET ", "RESET", "DEALLOCATE", "SELECT pg_catalog", "UNLISTEN")
MOST_READINGS = 25
MOST_FAILED = 0.02
"""The share of statements that may fail: concurrent ones run in another order here, so a few have other results."""


class FloorFailed(Exception):
    """The repeated statements did not have the effects of the original ones."""


class StatementLog:
    """Has the server write every statement to its log between `start` and `stop`."""

    def __init__(self, shop: Shop, superuser_url: str) -> None:
        self._log = shop.log("postgres")
        self._superuser_url = superuser_url
        self._from = 0

    async def start(self) -> None:
        await self._set("log_statement = 'all'")
        self._from = self._log.stat().st_size

    async def stop(self) -> dict[str, list[str]]:
        """Returns the scripts for `psql` by service, in the order of the commits. Raises: FloorFailed."""
        with self._log.open("rb") as log:
            log.seek(self._from)
            text = log.read().decode(errors="replace")
        await self._set("log_statement = 'none'")
        scripts = _scripts(_entries(text))
        if missing := [service for service in ("inventory", "order", "notification") if service not in scripts]:
            raise FloorFailed(f"the server's log has no statement of {missing}")
        return scripts

    async def _set(self, setting: str) -> None:
        async with connected(self._superuser_url) as connection:
            await connection.execute(f"ALTER SYSTEM SET {setting}")
            await connection.execute("SELECT pg_reload_conf()")
        await asyncio.sleep(0.5)  # until every session has read it, which can't be observed


def _entries(text: str) -> Iterator[tuple[str, str, str, str]]:
    """Entries of the log: process, service, `LOG` or `DETAIL`, and text. Continuation lines begin with a tab."""
    for part in re.split(rf"\n(?={_BEGINS})", text):
        if found := _ENTRY.match(part.rstrip("\n")):
            process, service, kind, words = found.groups()
            yield process, service, kind, words.replace("\n\t", "\n")


def _scripts(entries: Iterator[tuple[str, str, str, str]]) -> dict[str, list[str]]:
    scripts: dict[str, list[str]] = defaultdict(list)
    prepared: dict[tuple[str, str], str] = {}
    declared: set[tuple[str, str]] = set()
    open_transactions: dict[str, list[str]] = {}
    last: dict[str, tuple[list[str], str]] = {}
    for process, database, kind, words in entries:
        if kind == "DETAIL":
            if process in last and (given := _PARAMETERS.match(words)):
                script, name = last.pop(process)
                script[-1] = f"EXECUTE {name}({', '.join(_VALUE.findall(given[1]))});"
            continue
        last.pop(process, None)
        is_execute = _EXECUTE.match(words)
        sql = (is_execute[1] if is_execute else words.removeprefix("statement: ")).strip().rstrip(";")
        if sql.startswith(_NOT_OURS) or not (is_execute or words.startswith("statement: ")):
            continue
        if sql.startswith("BEGIN"):
            open_transactions[process] = ["BEGIN;"]
        elif sql.startswith(_ENDS):
            scripts[database] += [*open_transactions.pop(process, []), f"{sql};"]
        else:
            script = open_transactions.get(process, scripts[database])
            name = prepared.setdefault((database, sql), f"s{len(prepared)}")
            if (database, sql) not in declared:
                declared.add((database, sql))
                scripts[database].insert(0, f"PREPARE {name} AS {sql};")
            script.append(f"EXECUTE {name};" if is_execute else f"{sql};")
            last[process] = (script, name)
    return scripts


async def copies(shop: Shop, superuser_url: str) -> dict[str, str]:
    """Copies each service's database, which must have no connections. Returns the names of the copies by service."""
    found = {}
    with administration(superuser_url) as cursor:
        for service in SERVICES:
            name = str(make_url(shop.database_url(service)).database)
            found[service] = f"floor_{service}"
            cursor.execute(f'DROP DATABASE IF EXISTS "{found[service]}"')
            cursor.execute(f'CREATE DATABASE "{found[service]}" TEMPLATE "{name}"')
    return found


async def replay(shop: Shop, superuser_url: str, scripts: dict[str, list[str]], templates: dict[str, str]) -> float:
    """Seconds of CPU time that the server and `psql` need. Raises: FloorFailed."""
    seconds = 0.0
    for database, script in scripts.items():
        if database not in templates:
            continue
        with administration(superuser_url) as cursor:
            cursor.execute("DROP DATABASE IF EXISTS floor_now")
            cursor.execute(f'CREATE DATABASE floor_now TEMPLATE "{templates[database]}"')
            cursor.execute("CHECKPOINT")
        before = await _settled_cpu_of(shop.pid("postgres")) + _of_children()
        failed = await _psql(superuser_url, script)
        seconds += await _settled_cpu_of(shop.pid("postgres")) + _of_children() - before
        if len(failed) > max(3, MOST_FAILED * len(script)):
            raise FloorFailed(f"{database}: {len(failed)} of {len(script)} statements failed: {failed[:3]}")
    return seconds


async def _psql(superuser_url: str, script: list[str]) -> list[str]:
    url = make_url(superuser_url)
    settings = [f"SET {name} = '{value}';" for name, value in BY_INDEX.items()]
    with tempfile.TemporaryDirectory(prefix="online-mart-floor-") as name:
        file = Path(name) / "script.sql"
        file.write_text("\n".join([*settings, *script]))
        process = await asyncio.create_subprocess_exec(
            str(binaries() / "psql"), "-X", "-q", "-o", "/dev/null", "-f", str(file),
            *("-h", str(url.host), "-p", str(url.port), "-U", str(url.username), "-d", "floor_now"),
            env={"PGPASSWORD": str(url.password or "")}, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, errors = await process.communicate()
    return [line for line in errors.decode().splitlines() if "ERROR" in line or "FATAL" in line or "error:" in line]


async def _settled_cpu_of(pid: int) -> float:
    """The CPU time, read when it no longer changes: that of a backend which is ending may be missing before."""
    seconds = cpu_of(pid)
    for _ in range(MOST_READINGS):
        await asyncio.sleep(0.2)
        before, seconds = seconds, cpu_of(pid)
        if seconds == before:
            break
    return seconds


def cpu_of(pid: int) -> float:
    """The seconds of CPU time of a process and of its descendants, including those that have ended."""
    process = psutil.Process(pid)
    own = process.cpu_times()
    seconds: float = own.user + own.system + own.children_user + own.children_system
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            times = child.cpu_times()
            seconds += times.user + times.system
    return seconds


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
