"""What this service opens once per process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service_kit.runtime import Runtime
from user_service.accounts.passwords import Passwords
from user_service.keys.signer import Signer
from user_service.settings import Settings


@asynccontextmanager
async def open_resources(runtime: Runtime) -> AsyncIterator[None]:
    settings = runtime.settings
    assert isinstance(settings, Settings)
    passwords = Passwords(memory_kib=settings.password_memory_kib, rounds=settings.password_rounds)
    runtime.provide(passwords)
    vault = settings.vault
    runtime.provide(vault)
    runtime.provide(Signer(runtime.database, vault, settings.key_schedule))
    try:
        yield
    finally:
        passwords.close()
