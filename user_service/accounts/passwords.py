"""Passwords: argon2id through passlib, in a small thread pool, since one hash takes 20 ms of a core."""

import asyncio
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from passlib.hash import argon2

from service_kit.problems import Problem

SHORTEST, LONGEST = 8, 128
THREADS = 2


class PasswordTooWeak(Problem, status=422, type="password-too-weak"):
    """Choose another password: {reason}."""


class Passwords:
    """Hashes and verifies. NFKC first (NIST SP 800-63B), so that one word typed on two keyboards is one word."""

    def __init__(self, *, memory_kib: int, rounds: int) -> None:
        self._scheme: Any = argon2.using(  # type: ignore[no-untyped-call]
            type="ID", memory_cost=memory_kib, rounds=rounds, parallelism=1
        )
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="passwords")
        self._nobodys = self._scheme.hash("the password of no account")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        return await self._run(self._scheme.hash, unicodedata.normalize("NFKC", password))

    async def verify(self, password: str, hashed: str | None) -> bool:
        """False also where there is no account (`hashed` is None), after the same time."""
        password = unicodedata.normalize("NFKC", password)
        matches = await self._run(self._scheme.verify, password, hashed or self._nobodys)
        return bool(matches) and hashed is not None

    async def _run(self, work: object, *values: str) -> str:
        result: str = await asyncio.get_running_loop().run_in_executor(self._threads, work, *values)  # type: ignore[arg-type]
        return result


def check_strength(password: str, email: str) -> None:
    """Raises: PasswordTooWeak. Length and what is near at hand for a guesser; no rules of composition."""
    lowered = password.casefold()
    if lowered in {email.casefold(), email.partition("@")[0].casefold(), "password", "12345678", "onlinemart"}:
        raise PasswordTooWeak(reason="it is the first that anyone would try")
    if len(set(lowered)) < 3:
        raise PasswordTooWeak(reason="it repeats one or two characters")
