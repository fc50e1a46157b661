"""`python -m user_service rotate-keys`: changes the key that access tokens are signed with."""

import argparse
import asyncio

from service_kit.database import Database
from user_service.keys import use_cases
from user_service.keys.models import Schedule
from user_service.keys.vault import Vault
from user_service.settings import Settings


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m user_service")
    parser.add_argument("command", choices=["rotate-keys"])
    parser.add_argument(
        "--compromised",
        action="store_true",
        help="the private key has leaked: sign with a new key at once, and reject tokens that former keys signed",
    )
    arguments = parser.parse_args()
    print(asyncio.run(rotate(Settings(), compromised=arguments.compromised)))  # noqa: T201 (the command's output)


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


if __name__ == "__main__":
    main()
