"""The throughput of PostgreSQL alone: pgbench with the statements and rows of placing an order."""

import asyncio
import re
import shutil
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import asyncpg
from sqlalchemy import make_url

from benchmarks.accounts import Account, accounts
from benchmarks.goods import Draw
from contracts.permissions import permissions_of
from local_stack.postgres import binaries
from order_service.orders import placing
from order_service.orders.schemas import OrderIn
from order_service.rules.holder import RulesHolder
from order_service.settings import Settings
from service_kit.database.sessions import BY_INDEX, Connection
from service_kit.idempotency import Key
from service_kit.security import Principal
from tests.harness import tokens

BASKETS = 128
"""The number of different orders, the most that pgbench allows. They are drawn like the service's: equal contention."""
_TPS = re.compile(r"tps = ([\d.]+)")
_PARAMETER = re.compile(r"\$(\d+)")


# The settings of the service's connections.
_OPTIONS = " ".join(f"-c {name}={value}" for name, value in BY_INDEX.items())


class PgbenchFailed(Exception):
    """The output of pgbench has no result."""


class Pgbench:
    """Places orders in the database without a service.

    The statements are recorded while the service's own code places an order. In each transaction only values that must
    be different are replaced: ids, number, idempotency key, and the account and address to which limits apply.
    """

    def __init__(self, database_url: str, settings: Settings) -> None:
        self._url = make_url(database_url)
        self._settings = settings
        self._directory = Path(tempfile.mkdtemp(prefix="online-mart-pgbench-"))

    async def prepare(self, lines: int) -> None:
        """Writes a script for each order, of `lines` lines."""
        draw = Draw(seed=2)
        connection = await asyncpg.connect(self._url.render_as_string(hide_password=False))
        rules = RulesHolder(self._settings.home_country)
        try:
            for number, account in zip(range(BASKETS), accounts(), strict=False):
                recorder = _Recorder(connection)
                key = Key(str(uuid4()), "POST /orders", b"0" * 32)
                wanted = OrderIn.model_validate(draw.order(lines))
                who = _principal(account)
                placed = await placing.place(
                    cast(Connection, recorder), wanted, key, who, self._settings, rules, account.address
                )
                assert isinstance(placed, placing.Placed)
                new = {
                    key.value: ":n::text",
                    placed.order.id: ":order_id::uuid",
                    placed.order.number: ":number::bigint",
                    account.id: ":account_id::uuid",
                    account.address: ":n::text",
                }
                (self._directory / f"{number}.sql").write_text(_script(recorder.statements, new))
        finally:
            await connection.close()

    async def rate(self, connections: int, seconds: float) -> float:
        """Transactions per second of all connections together."""
        url = self._url
        scripts = [part for script in sorted(self._directory.iterdir()) for part in ("-f", str(script))]
        process = await asyncio.create_subprocess_exec(
            str(binaries() / "pgbench"),
            *("-n", "-M", "prepared", "-c", str(connections), "-j", "1", "-T", str(round(seconds))),
            *("-h", str(url.host), "-p", str(url.port), "-U", str(url.username), *scripts, str(url.database)),
            env={"PGPASSWORD": str(url.password), "PGOPTIONS": _OPTIONS},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, errors = await process.communicate()
        found = _TPS.search(out.decode())
        if process.returncode != 0 or found is None:
            raise PgbenchFailed((out + errors).decode()[-2000:])
        return float(found[1])

    def close(self) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)


class _Recorder:
    """A connection that records the statements that are run on it."""

    def __init__(self, connection: Any) -> None:
        self.statements: list[tuple[str, Sequence[Any]]] = []
        self.added_events = False
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        async def run(sql: str, *values: Any) -> Any:
            self.statements.append((sql, values))
            return await getattr(self._connection, name)(sql, *values)

        return run


def _script(statements: Sequence[tuple[str, Sequence[Any]]], new: dict[Any, str]) -> str:
    (first, values), *rest = statements
    read = _filled(first, values, {value: name for value, name in new.items() if isinstance(value, str)})
    read = read.replace("SELECT", "SELECT uuidv7()::text AS order_id, uuidv4()::text AS account_id,", 1)
    written = [f"{_filled(sql, values, new)};" for sql, values in rest]
    return "\n".join([r"\set n random(1, 9000000000000000000)", rf"{read} \aset", *written])


def _filled(sql: str, values: Sequence[Any], new: dict[Any, str]) -> str:
    def literal(found: re.Match[str]) -> str:
        value = values[int(found[1]) - 1]
        if isinstance(value, str | int | UUID) and value in new:
            return new[value]
        return _literal(value)

    return _PARAMETER.sub(literal, sql).strip()


def _literal(value: Any) -> str:
    """The SQL literal of a value. Colons in texts are escaped, since pgbench would parse them as variables."""
    match value:
        case None | bool() | int():
            return "NULL" if value is None else str(value)
        case bytes():
            return rf"'\x{value.hex()}'"
        case UUID() | datetime():
            return _literal(str(value))
        case list() | tuple():
            return "ARRAY[" + ", ".join(map(_literal, value)) + "]" + _element_type(value)
        case _:
            text = str(value).replace("\\", r"\\").replace("'", r"\'").replace(":", r"\x3a")
            return f"E'{text}'"


def _element_type(values: Sequence[Any]) -> str:
    kinds = {type(value) for value in values}
    names = {UUID: "uuid", bytes: "bytea", datetime: "timestamptz"}
    return next((f"::{name}[]" for kind, name in names.items() if kind in kinds), "")


def _principal(account: Account) -> Principal:
    claims = tokens.claims(account.id, [])
    return Principal(account.id, frozenset(permissions_of(["User"])), claims["jti"], claims["exp"])
