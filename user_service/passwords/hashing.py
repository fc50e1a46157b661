"""Hashes passwords with argon2id (passlib) in a small thread pool, since each hash takes about 20 ms of a core."""

import asyncio
import contextlib
import os
import secrets
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from passlib.hash import argon2

from user_service.passwords.strength import LONGEST, Strength, assess, normalised

THREADS = 2
# Under load, Linux gives the thread of the event loop three times the CPU share of a thread with this niceness.
NICENESS = 5
T = TypeVar("T")


class Passwords:
    """Hashes and verifies passwords. They are normalised by NFKC first (NIST SP 800-63B), since keyboards encode
    characters differently."""

    def __init__(self, *, memory_kib: int, rounds: int) -> None:
        self._scheme: Any = argon2.using(  # type: ignore[no-untyped-call]
            type="ID", memory_cost=memory_kib, rounds=rounds, parallelism=1
        )
        self._cost = memory_kib * rounds
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="passwords", initializer=_lower_priority)
        self._assess = ThreadPoolExecutor(1, thread_name_prefix="password-strength")
        self.no_password: str = self._scheme.hash(secrets.token_urlsafe(32))
        """The hash of a password that nobody knows, for accounts that have none."""

    def close(self) -> None:
        for threads in (self._threads, self._assess):
            threads.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        return await _run(self._threads, self._scheme.hash, normalised(password))

    async def verify(self, password: str, hashed: str | None) -> bool:
        """If there is no account (`hashed` is None), this returns False after the same time as for a wrong password."""
        matches = await _run(
            self._threads, self._scheme.verify, normalised(password)[: LONGEST + 1], hashed or self.no_password
        )
        return bool(matches) and hashed is not None

    def is_outdated(self, hashed: str) -> bool:
        """Whether the hash was made with cheaper settings than the present ones."""
        made = self._scheme.from_string(hashed)
        return bool(made.memory_cost * made.rounds < self._cost)

    async def strength(self, password: str, *personal: str) -> Strength:
        """How hard it is to guess for someone who knows these facts about its owner."""
        return await _run(self._assess, assess, normalised(password), personal)


def _lower_priority() -> None:
    """Lowers this thread's priority, if the system permits it. Only Linux has priorities of threads."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


async def _run(threads: ThreadPoolExecutor, work: Callable[..., T], *values: object) -> T:
    return await asyncio.get_running_loop().run_in_executor(threads, work, *values)
