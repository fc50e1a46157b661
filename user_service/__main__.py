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
        help="the present key is in the wrong hands: use a new one at once, and reject what the old ones signed",
    )
    arguments = parser.parse_args()
    print(asyncio.run(rotate(Settings(), compromised=arguments.compromised)))  # noqa: T201 (a command's answer)


async def rotate(settings: Settings, *, compromised: bool) -> str:
    """Returns a sentence for the console about what was done."""
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
