"""Random secrets for docker-compose.yml; each container gets only those that it needs."""

import secrets
from collections.abc import Mapping
from pathlib import Path

from local_stack import environment
from local_stack.addresses import postgres_url, serving_role
from local_stack.parts import SERVICES
from local_stack.postgres import SUPERUSER

# The secrets that each container gets; it can read no others.
HANDED_OUT: Mapping[str, tuple[str, ...]] = {
    "postgres": ("postgres_password",),
    "setup": (
        "postgres_admin_url",
        *(f"{service.name}_database_{kind}" for service in SERVICES for kind in ("owner_url", "url")),
    ),
    "gateway": ("gateway_api_key", "gateway_webhook_secret"),
    "demo": ("order_database_url", "user_first_admin_password", "demo_staff_password", "demo_customer_password"),
    **{f"{each.name}-migration": (f"{each.name}_database_owner_url", f"{each.name}_database_url") for each in SERVICES},
    "user": ("user_database_url", "user_key_encryption_secret", "user_first_admin_password"),
    "product": ("product_database_url",),
    "inventory": ("inventory_database_url",),
    "order": ("order_database_url", "gateway_api_key", "gateway_webhook_secret"),
    "notification": ("notification_database_url",),
}


def make_secrets(directory: Path, postgres_address: str) -> None:
    """Writes a file for each secret of `.env.example` (`gateway_api_key`) and for each URL of a database; existing
    secrets stay. Containers read them by settings ending in `_FILE`; `of/order` has only those of the order service."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in environment.generated():
        _make_secret(directory / name.lower(), secrets.token_urlsafe(24))
    urls = {"postgres_admin_url": (SUPERUSER, "postgres_password", "postgres")}
    for service in SERVICES:
        database, role = f"{service.name}_database", service.package
        urls[f"{database}_owner_url"] = (role, f"{database}_password", role)
        urls[f"{database}_url"] = (serving_role(role), f"{database}_serving_password", role)
    for name, (role, password, database) in urls.items():
        (directory / name).write_text(
            postgres_url(role, (directory / password).read_text(), postgres_address, database)
        )
    for container, names in HANDED_OUT.items():
        own = directory / "of" / container
        own.mkdir(parents=True, exist_ok=True)
        for name in names:
            (own / name).write_text((directory / name).read_text())


def _make_secret(file: Path, value: str) -> None:
    if not file.exists():
        draft = file.with_suffix(".draft")
        draft.write_text(value)
        draft.replace(file)


def settings(directory: Path) -> dict[str, str]:
    """The settings of `.env.example`, with the secrets that `make_secrets` wrote to `directory`."""
    files = {name: directory / name.lower() for name in environment.generated()}
    return environment.read(environment.EXAMPLE) | {
        name: file.read_text() for name, file in files.items() if file.exists()
    }
