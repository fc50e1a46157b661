"""The objects that this service creates once per process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service_kit.mail import open_mailer
from service_kit.runtime import Runtime
from user_service.auth.use_cases import SignIn
from user_service.guests.use_cases import Guests
from user_service.keys.models import Schedule
from user_service.keys.signer import Signer
from user_service.keys.vault import Vault
from user_service.mfa.use_cases import Mfa
from user_service.passwords.hashing import Passwords
from user_service.passwords.use_cases import PasswordService
from user_service.settings import Settings
from user_service.throttle.use_cases import Throttle


@asynccontextmanager
async def open_resources(runtime: Runtime) -> AsyncIterator[None]:
    settings = runtime.resource(Settings)
    passwords = Passwords(memory_kib=settings.password_memory_kib, rounds=settings.password_rounds)
    vault = Vault(settings.key_encryption_secret, settings.former_key_encryption_secret)
    provide(runtime, passwords, vault, Signer(runtime.database, vault, Schedule.of(settings)))
    try:
        async with open_mailer(runtime):
            yield
    finally:
        passwords.close()


def provide(runtime: Runtime, passwords: Passwords, vault: Vault, signer: Signer) -> None:
    """Creates the services of all domains, and registers the objects that endpoints and jobs look up by type."""
    settings = runtime.resource(Settings)
    throttle = Throttle(runtime.database, settings)
    password_service = PasswordService(runtime.database, passwords, throttle)
    mfa = Mfa(runtime.database, vault, passwords)
    sign_in = SignIn(runtime.database, password_service, mfa, signer, vault, settings)
    for each in (passwords, vault, signer, throttle, password_service, mfa, sign_in, Guests(sign_in)):
        runtime.provide(each)
