"""How addresses are written."""

from urllib.parse import quote


def serving_role(service: str) -> str:
    """The role that a service's processes have, beside the one that owns its tables."""
    return f"{service}_serving"


def postgres_url(user: str, password: str, server: str, database: str) -> str:
    """`server`: host:port. The password may hold any character."""
    return f"postgresql://{user}:{quote(password, safe='')}@{server}/{database}"
