"""What this service opens once per process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service_kit.mail import open_mailer
from service_kit.runtime import Runtime
from user_service.keys.models import Schedule
from user_service.keys.signer import Signer
from user_service.keys.vault import Vault
from user_service.passwords.hashing import Passwords
from user_service.settings import Settings
from user_service.throttle.use_cases import Throttle


@asynccontextmanager
async def open_resources(runtime: Runtime) -> AsyncIterator[None]:
    settings = runtime.settings
    assert isinstance(settings, Settings)
    passwords = Passwords(memory_kib=settings.password_memory_kib, rounds=settings.password_rounds)
    runtime.provide(passwords)
    vault = Vault(settings.key_encryption_secret, settings.former_key_encryption_secret)
    runtime.provide(vault)
    runtime.provide(Signer(runtime.database, vault, Schedule.of(settings)))
    runtime.provide(Throttle(runtime.database, settings))
    try:
        async with open_mailer(runtime):
            yield
    finally:
        passwords.close()
