"""The CPU time and the memory of one part of the running shop."""

import time
from dataclasses import dataclass

import psutil

from local_stack.parts import part
from local_stack.shop import Shop


@dataclass(frozen=True)
class Footprint:
    """`cpu_share`: of one core. `memory_bytes`: resident, of all its processes together."""

    title: str
    seconds: float
    cpu_share: float
    memory_bytes: int
    processes: int

    def __str__(self) -> str:
        processes = "1 process" if self.processes == 1 else f"{self.processes} processes"
        return (
            f"{self.title}: {self.cpu_share:.2%} of a core and {self.memory_bytes / 2**20:.0f} MiB "
            f"over {self.seconds:.0f} s ({processes})"
        )


def measure(shop: Shop, name: str, seconds: float) -> Footprint:
    """A part's process and its descendants. Processes that end meanwhile are not counted."""
    main = psutil.Process(shop.pid(name))
    started, before = time.monotonic(), _cpu_seconds(main)
    time.sleep(seconds)
    passed, after = time.monotonic() - started, _cpu_seconds(main)
    used = sum(after[pid] - before.get(pid, 0.0) for pid in after)
    family = [main, *main.children(recursive=True)]
    memory = sum(process.memory_info().rss for process in family)
    return Footprint(part(name).title, passed, used / passed, memory, len(family))


def _cpu_seconds(main: psutil.Process) -> dict[int, float]:
    times = {process.pid: process.cpu_times() for process in (main, *main.children(recursive=True))}
    return {pid: its.user + its.system for pid, its in times.items()}
