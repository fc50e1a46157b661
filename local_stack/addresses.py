"""How addresses are written."""

from urllib.parse import quote


def postgres_url(user: str, password: str, server: str, database: str) -> str:
    """`server`: host:port. The password may hold any character."""
    return f"postgresql://{user}:{quote(password, safe='')}@{server}/{database}"
