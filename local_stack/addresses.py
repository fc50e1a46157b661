"""The URLs of databases."""

from urllib.parse import quote


def serving_role(service: str) -> str:
    """The role that a service's processes connect as; another role owns the tables."""
    return f"{service}_serving"


def postgres_url(user: str, password: str, server: str, database: str) -> str:
    """`server`: host:port. The password may hold any character."""
    return f"postgresql://{user}:{quote(password, safe='')}@{server}/{database}"
