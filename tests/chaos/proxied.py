"""A shop whose services reach PostgreSQL and Kafka through our proxies."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local_stack import ports
from local_stack.shop import Shop
from tests.harness.proxy import Proxy

SERVERS = {"postgres": "POSTGRES", "kafka": "KAFKA"}


class ProxiedShop(Shop):
    """`proxies` by the server behind them. They run in this process as long as the shop runs."""

    def __init__(self, directory: Path, *, settings: Mapping[str, str], **more: Any) -> None:
        self._between = dict(zip(SERVERS, ports.lease(len(SERVERS)), strict=True))
        reached_at = {f"{SERVERS[name]}_REACHED_AT": f"127.0.0.1:{port}" for name, port in self._between.items()}
        super().__init__(directory, settings={**settings, **reached_at}, free_ports=True, **more)
        self.proxies: dict[str, Proxy] = {}

    def prepare(self) -> None:
        super().prepare()
        for name, port in self._between.items():
            self.proxies[name] = Proxy(port, int(self.settings[f"{SERVERS[name]}_PORT"]))
            self.proxies[name].start()

    def down(self) -> None:
        super().down()
        while self.proxies:
            self.proxies.popitem()[1].stop()
        ports.release(list(self._between.values()))
