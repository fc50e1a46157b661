"""Customers for the time that something else happens to the shop: replays of sales, and reads of each service."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from tools.kubernetes.live.client import READS, Client, url
from tools.kubernetes.live.kubectl import StepFailed
from tools.kubernetes.live.progress import note

ANSWERED = " 200"


@dataclass
class Traffic:
    """`failed`: requests without a response, or with a wrong one, even if a repetition succeeded."""

    orders: int = 0
    reads: int = 0
    failed: list[str] = field(default_factory=list)
    replaying: bool = True

    def verdict(self) -> str:
        """Raises: StepFailed."""
        words = f"{self.orders:,} orders and {self.reads:,} reads, {len(self.failed)} failed; 0 mismatches in the books"
        if self.failed:
            raise StepFailed(f"{words}: {'; '.join(self.failed)}")
        return words


def during(client: Client, happens: Callable[[Traffic], None], *, file: Path | None, invoices: int | None) -> Traffic:
    """Replays until `happens` has ended. Raises: StepFailed, ClusterError."""
    traffic, ended = Traffic(), Event()
    reads = {service: url(service) + path for service, path in READS.items()}
    with client.load(reads, at_once=2, pause=0.2) as responses, ThreadPoolExecutor(1) as threads:
        replays = threads.submit(_replays, client, traffic, ended, file, invoices)
        try:
            happens(traffic)
        finally:
            ended.set()
            replays.result()
    for response, count in responses.items():
        traffic.reads += count
        if not response.endswith(ANSWERED):
            traffic.failed.append(f"{response}: {count}")
    return traffic


def _replays(client: Client, traffic: Traffic, ended: Event, file: Path | None, invoices: int | None) -> None:
    try:
        while not ended.is_set():
            _replay(client, traffic, file, invoices)
    finally:
        traffic.replaying = False


def _replay(client: Client, traffic: Traffic, file: Path | None, invoices: int | None) -> None:
    figures = client.replay(file, invoices=invoices)
    traffic.orders += figures["orders"]
    note(f"{traffic.orders:,} orders, {figures['orders_per_second']} per second; 0 mismatches")
    traffic.failed += [f"{what}: {count}" for what, count in figures["failed_requests"].items()]
