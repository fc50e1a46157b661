"""The cost of an idle service: the time until it is ready, and the memory of one process."""

import asyncio
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from benchmarks.figures import ROUNDS, Result, Row, Spread
from benchmarks.stage import Server, Stage

SERVICES = ("user", "product", "inventory", "order", "notification")
IDLE_SECONDS = 5.0
"""After so many seconds, all consumers have joined their groups and every job has run."""
MEMORY_TARGET_MIB = 90.0
START_TARGET_SECONDS = 1.0
MAIL = {"smtp_host": "127.0.0.1", "smtp_port": 1, "mail_from": "shop@example.com"}
NEEDED = {"notification": MAIL, "user": {**MAIL, "web_url": "https://shop.example.com"}}
"""Settings without a default. No mail is sent."""


@dataclass
class _Services:
    """Services with separate databases and shared topics, which fetch the keys of the user service."""

    stage: Stage
    prefix: str
    databases: dict[str, str] = field(default_factory=dict)
    keys_url: str = ""

    def start(self, name: str) -> AbstractAsyncContextManager[Server]:
        settings: dict[str, Any] = {"service_role": "all", "kafka_topic_prefix": self.prefix, **NEEDED.get(name, {})}
        if self.keys_url:
            settings["jwks_url"] = self.keys_url
        return self.stage.serving(f"{name}_service", self.databases[name], **settings)


async def measure(stage: Stage) -> Result:
    prefix = await asyncio.to_thread(stage.topics)
    services = _Services(stage, prefix, {name: await stage.database(f"{name}_service") for name in SERVICES})
    memory = await _memory(services)
    starts = await _starts(services)
    return Result(
        figures={
            "idle_rss_mib": {name: round(rss, 1) for name, (rss, _) in memory.items()},
            "cold_start_s": {name: round(Spread.of(starts[name]).median, 2) for name in SERVICES},
        },
        rows=[*(_memory_row(name, *memory[name]) for name in SERVICES), *_start_rows(starts)],
    )


async def _memory(services: _Services) -> dict[str, tuple[float, float]]:
    """The resident and the private memory of all five services, which run at the same time."""
    running: dict[str, Server] = {}
    async with AsyncExitStack() as stack:
        for name in SERVICES:  # the user service first, because the others fetch its keys
            running[name] = await stack.enter_async_context(services.start(name))
            services.keys_url = f"{running['user'].url}/.well-known/jwks.json"
        await asyncio.sleep(IDLE_SECONDS)
        found = {name: (server.rss_mib, server.private_mib) for name, server in running.items()}
    services.keys_url = ""
    return found


async def _starts(services: _Services) -> dict[str, list[float]]:
    """The start times. Each service has been started before, so that bytecode and files are cached."""
    found: dict[str, list[float]] = {name: [] for name in SERVICES}
    for _ in range(ROUNDS):
        for name in SERVICES:
            async with services.start(name) as server:
                found[name].append(server.ready_after)
    return found


def _memory_row(name: str, resident: float, private: float) -> Row:
    once = Spread.of([resident])
    return Row(
        f"idle memory, {name} service ({private:.0f} MiB private)", once, "MiB",
        "wanted at most", Spread.of([MEMORY_TARGET_MIB]), Spread.of([resident / MEMORY_TARGET_MIB]),
    )  # fmt: skip


def _start_rows(starts: dict[str, list[float]]) -> list[Row]:
    wanted = Spread.of([START_TARGET_SECONDS])
    return [
        Row(f"process start to ready, {name} service", Spread.of(taken), "s", "wanted at most", wanted)
        for name, taken in starts.items()
    ]
