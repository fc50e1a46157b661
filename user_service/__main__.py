"""`python -m user_service rotate-keys`: changes the key that access tokens are signed with.
`python -m user_service encrypt-again`: what was encrypted with the former secret is encrypted with the present one."""

import argparse
import asyncio

from service_kit.database import Database
from user_service.keys import use_cases
from user_service.keys.models import Schedule
from user_service.keys.vault import Vault
from user_service.mfa import use_cases as second_factors
from user_service.settings import Settings


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m user_service")
    parser.add_argument("command", choices=["rotate-keys", "encrypt-again"])
    parser.add_argument(
        "--compromised",
        action="store_true",
        help="rotate-keys: the private key has leaked; sign with a new one at once, reject tokens that others signed",
    )
    arguments = parser.parse_args()
    settings = Settings()
    again = arguments.command == "encrypt-again"
    work = encrypt_again(settings) if again else rotate(settings, compromised=arguments.compromised)
    print(asyncio.run(work))  # noqa: T201 (the command's output)


async def rotate(settings: Settings, *, compromised: bool) -> str:
    """Rotates the signing key. Returns a sentence about the result, for the console."""
    database = Database.of(settings)
    vault = Vault(settings.key_encryption_secret, settings.former_key_encryption_secret)
    try:
        if compromised:
            key = await use_cases.replace_at_once(database, vault)
            return f"{key.id} signs now; what other keys signed is refused once the services have fetched the keys."
        key = await use_cases.rotate(database, vault, Schedule.of(settings))
        return f"{key.id} is published, and signs from {key.signs_from:%Y-%m-%d %H:%M:%S} UTC on."
    finally:
        await database.close()


async def encrypt_again(settings: Settings) -> str:
    database = Database.of(settings)
    vault = Vault(settings.key_encryption_secret, settings.former_key_encryption_secret)
    try:
        keys = await use_cases.encrypt_again(database, vault)
        factors = await second_factors.encrypt_again(database, vault)
    finally:
        await database.close()
    return f"{keys} signing keys and {factors} second factors are encrypted with the present secret now."


if __name__ == "__main__":
    main()
