"""Services that listen on a port: in a process of their own, as `make up` runs them, or in this event loop."""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from local_stack import ports
from tests.harness import tokens
from tests.harness.databases import drop_database, new_database
from tests.harness.service import NOBODY, keep_test_keys

READY_SECONDS = 60


@asynccontextmanager
async def serving(service: str, **settings: Any) -> AsyncIterator[str]:
    """The URL of `service` (`order_service`), which runs with its own database until the block ends."""
    [port] = ports.lease()
    url = new_database(service)
    if service != "user_service":  # which creates its own keys
        await keep_test_keys(url)
    values = {
        "database_url": url, "port": port, "operations_port": 0, "environment": "development",
        "service_role": "api", "log_level": "ERROR",
        "kafka_bootstrap_servers": NOBODY, "public_issuer": tokens.ISSUER, "jwks_url": f"http://{NOBODY}/", **settings,
    }  # fmt: skip
    environment = {"PATH": os.environ["PATH"], "ENV_FILE": os.devnull}
    environment |= {name.upper(): str(value) for name, value in values.items()}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "service_kit", "serve", service], env=environment, stdout=log, stderr=log,
            cwd=Path(__file__).parents[2],
        )  # fmt: skip
        try:
            await _ready(process, f"http://127.0.0.1:{port}", log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait, 30)
            ports.release([port])
            drop_database(url)


@asynccontextmanager
async def listening(app: Any, port: int, **config: Any) -> AsyncIterator[None]:
    """Until the block ends, this event loop serves `app` (ASGI) on `port`. `config`: more arguments of uvicorn."""
    server = uvicorn.Server(uvicorn.Config(app, port=port, lifespan="off", log_config=None, access_log=False, **config))
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        await serving


async def _ready(process: "subprocess.Popen[bytes]", url: str, log: Any) -> None:
    async with asyncio.timeout(READY_SECONDS), httpx.AsyncClient() as client:
        while True:
            if process.poll() is not None:
                log.seek(0)
                raise AssertionError(f"it ended:\n{log.read().decode()}")
            try:
                if (await client.get(f"{url}/health/ready")).is_success:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)
