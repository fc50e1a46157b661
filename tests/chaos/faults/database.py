"""PostgreSQL is killed under load, with all its backends, and recovers from its log; or a transaction is left open."""

import asyncio
from functools import partial

import asyncpg

from local_stack.shop import Shop
from service_kit.database.faults import database_is_unavailable
from tests.chaos.faults.fault import Fault
from tests.chaos.faults.kills import kill
from tests.system.world import until

ROWS = {
    "order": "SELECT FROM orders ORDER BY id DESC LIMIT 3 FOR UPDATE",
    "inventory": "SELECT FROM stock ORDER BY product_id LIMIT 1 FOR UPDATE",
    "notification": "SELECT FROM recipients ORDER BY customer_id DESC LIMIT 1 FOR UPDATE",
}
"""What someone who queries the database by hand may leave locked."""
FOR_EVER = {"idle_in_transaction_session_timeout": "0"}
"""Our configuration of PostgreSQL ends such a transaction after five minutes; another configuration may not."""
OUTBOX = "INSERT INTO outbox SELECT * FROM outbox WHERE false"


async def forget_to_commit(shop: Shop, parts: tuple[str, ...], seconds: float) -> None:
    """Locks rows that services need, and the outbox table as every writer does, so that VACUUM can remove no dead
    row."""
    for name in parts:
        connection: asyncpg.Connection = await until(f"the database of {name}", partial(_connected, shop, name))
        try:
            async with connection.transaction():
                await connection.execute(ROWS[name])
                await connection.execute(OUTBOX)
                await asyncio.sleep(seconds)
        finally:
            connection.terminate()


async def _connected(shop: Shop, name: str) -> asyncpg.Connection | None:
    """None while the server recovers from the previous fault."""
    try:
        return await asyncpg.connect(shop.database_url(name), server_settings=FOR_EVER)
    except Exception as error:
        if database_is_unavailable(error):
            return None
        raise


FAULTS = (
    Fault("kill-postgres", ("postgres",), kill),
    Fault("long-transaction", tuple(ROWS), forget_to_commit, seconds=(8, 20)),
)
